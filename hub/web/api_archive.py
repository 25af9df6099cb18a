"""JSON API of the archive: appraisals, packages, receipts, deadlines.

Bodies:

    POST sessions/{s}/appraisals   {member, items: [key], points?, remark?}
    POST sessions/{s}/packages     {password}
    POST packages/{id}/offer       {}
    POST packages/{id}/receipt     {password}
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from hub.archive.download import MEDIA_TYPE, tar_of
from hub.archive.service import Archive
from hub.ports import Parts, refuse
from hub.web.api_body import SECRET_CHARS_MAX, Fields, json_body

Body = Annotated[dict[str, Any], Depends(json_body)]
MEMBER_NO_MAX = 99
POINTS_MIN = -1000
NO_POINTS = 1


class HasArchive(Parts, Protocol):
    """The part of the hub this API uses."""

    archive: Archive


def router(hub: HasArchive) -> APIRouter:
    """Routes of appraisals and packages."""
    api = APIRouter(prefix="/api/v1", tags=["archive"])
    _add_reading(api, hub)
    _add_acts(api, hub)
    return api


def _add_reading(api: APIRouter, hub: HasArchive) -> None:
    @api.get("/packages", operation_id="list_packages")
    def listed(request: Request, session: str = "") -> dict[str, Any]:
        """Packages of the sessions one's venue takes part in."""
        who = hub.accounts.actor(request)
        return {"packages": hub.archive.list(who, session=session)}

    @api.get("/packages/{package}", operation_id="get_package")
    def one(request: Request, package: str) -> dict[str, Any]:
        """One package with progress, report and receipt."""
        return hub.archive.get(hub.accounts.actor(request), package)

    @api.get("/packages/{package}/download", operation_id="download_package")
    def download(request: Request, package: str) -> StreamingResponse:
        """The whole package as one tar file."""
        folder = hub.archive.download(hub.accounts.actor(request), package)
        headers = {"Content-Disposition": f'attachment; filename="{folder.name}.tar"'}
        tar = tar_of(folder, folder.name)
        return StreamingResponse(tar, headers=headers, media_type=MEDIA_TYPE)

    @api.get("/packages/{package}/reads", operation_id="package_reads")
    def reads(request: Request, package: str) -> dict[str, Any]:
        """Who looked at a package."""
        return {"reads": hub.archive.who_looked(hub.accounts.actor(request), package)}

    @api.get("/sessions/{session}/deadline", operation_id="handover_deadline")
    def deadline(request: Request, session: str) -> dict[str, Any]:
        """By when the hand-over is due and how it stands."""
        return hub.archive.deadline_for(hub.accounts.actor(request), session)


def _add_acts(api: APIRouter, hub: HasArchive) -> None:
    @api.post("/sessions/{session}/appraisals", operation_id="enter_appraisal", status_code=201)
    def appraise(request: Request, session: str, body: Body) -> dict[str, Any]:
        """Enters an appraisal of one expert."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="appraisal")
        member = fields.integer("member", 1, MEMBER_NO_MAX)
        items = fields.items("items", items_max=16)
        points = fields.integer("points", POINTS_MIN, 0, default=NO_POINTS)
        remark = fields.text("remark", default="")
        fields.done()
        if not all(isinstance(one, str) for one in items):
            raise refuse(
                422,
                "body_invalid",
                zh="提交内容不符合要求",
                en="The body is not as it must be",
                where="appraisal.items",
                expected="keys of appraisal items",
                got=repr(items)[:80],
                do="按考核事项清单填写",
            )
        given = None if points == NO_POINTS else points
        return hub.archive.enter_appraisal(who, session, member, items, given, remark)

    @api.post("/sessions/{session}/packages", operation_id="build_package", status_code=201)
    def build(request: Request, session: str, body: Body) -> dict[str, Any]:
        """Builds and signs the package of one's own venue."""
        who = hub.accounts.actor(request)
        return hub.archive.build_package(who, session, _password(body))

    @api.post("/packages/{package}/offer", operation_id="offer_package")
    def offer(request: Request, package: str, body: Body) -> dict[str, Any]:
        """Tells the home venue that the package is ready."""
        who = hub.accounts.actor(request)
        Fields(body, where="package").done()
        return hub.archive.offer(who, package)

    @api.post("/packages/{package}/receipt", operation_id="receipt_package", status_code=201)
    def receipt(request: Request, package: str, body: Body) -> dict[str, Any]:
        """The home venue checks the package and signs a receipt."""
        who = hub.accounts.actor(request)
        return hub.archive.verify_and_receipt(who, package, _password(body))


def _password(body: dict[str, Any]) -> str:
    fields = Fields(body, where="package")
    password = fields.text("password", chars_max=SECRET_CHARS_MAX)
    fields.done()
    return password
