"""What comes down signed: plans, orders, statements, commands. Checked here, decided in the room.

Nothing unsigned, retained, older or meant for others gets past this file; whatever is refused is
an event that says why. Secrets of a plan (tags, wrapped keys) go to their owners in memory and into
no event.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge.crypto import CryptoError, open_box, verify
from edge.duty import DutyPerson, DutyRoster
from edge.identify import Identifier, SessionTags
from edge.journal import Journal
from edge.turn import Turn
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.orders import (
    OrderBook,
    Refused,
    SessionBook,
    Unwrapped,
    judge_command,
    judge_order,
    judge_statement,
    unwrap_command,
)
from protocols.messages.plan import (
    RECEIPTED,
    Plan,
    PlanVerdict,
    judge_plan,
    parse_plan_body,
    read_plan,
)
from protocols.messages.signed import Signed, parse_message
from protocols.messages.status import PlanRef
from protocols.messages.topics import BROKER_BYTES_MAX
from protocols.messages.trust import Actor, Keyring, TrustFile
from protocols.policy.errors import PolicyError
from protocols.policy.pack import Pack

KV_PLAN = "plan"
# What the rules behind this file read of a session; a plan without them is not taken up.
SESSION_SHAPE: Mapping[str, type] = {
    "session": str,
    "org": str,
    "home_org": str,
    "salt": str,
    "tags": str,
    "venues": list,
    "members": list,
    "duty": list,
}
DUTY_KEYS = ("person", "post", "role", "org", "kid")
UNUSABLE = (PolicyError, CryptoError, LocalError, KeyError, TypeError, ValueError, AttributeError)
# A ping goes out every 5 s: half a minute of nonces is fresh enough for a command on its way.
ASKS_MAX = 8
MEMBER_PREFIX = "x"  # members are tokens on the wire: x3 is member number 3


@dataclass(slots=True)
class Intake:
    """Judges what the hub sent.

    Args:
        ctl: this controller.
        trust: the trust file installed at commissioning.
        seal_key: raw X25519 private key that opens the tags.
        at_trust: how far the wall clock may be believed now.
        order_numbers: last accepted (n, id) of a session, from the room's folded state.
        coded: numbers of a session's orders that came as a code only, from the folded state.
        codes: told of a plan that is taken up, and of whose keys count; what there is to record.
        closed: whether a session is closed, so that its secrets are not taken up again.
        receipted: session -> receipt of the home venue, by the plan in force.
        use_pack: told of the policy that is in force from now on.
        trial: why the room would not take this plan, '' when it would; asked before it is kept.
        fetch: asked for the body, by its hash, of a plan that came without one.
    """

    ctl: str
    trust: TrustFile
    seal_key: bytes
    journal: Journal
    identifier: Identifier
    roster: DutyRoster
    at_trust: Callable[[], str]
    order_numbers: Callable[[str], tuple[int, str]]
    closed: Callable[[str], bool]
    use_pack: Callable[[Pack], None]
    trial: Callable[[Turn], str] = lambda _plan: ""
    fetch: Callable[[str], None] = lambda _hash: None
    codes: Callable[[Iterable[Mapping[str, Any]], Keyring], list[Turn]] = lambda _plans, _keys: []
    coded: Callable[[str], frozenset[int]] = lambda _session: frozenset()
    keyring: Keyring = field(init=False)
    certificates: list[bytes] = field(default_factory=list)
    sessions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    receipted: Mapping[str, str] = field(default_factory=dict)
    _ref: PlanRef = field(default_factory=PlanRef)
    _plan: Plan | None = None
    _wanted: Plan | None = None
    _asks: deque[str] = field(default_factory=lambda: deque(maxlen=ASKS_MAX))

    def __post_init__(self) -> None:
        """A room without a plan knows the trust file's own keys only."""
        self.keyring = Keyring(self.trust, [], verify)

    def resume(self) -> list[Turn]:
        """Takes up the plan that was in force before a restart.

        Returns:
            The plan as an input, for the case that the restart came between keeping and using it.
        """
        kept = self.journal.kv_get(KV_PLAN)
        if not kept:
            return []
        plan = Plan(ctl=self.ctl, generation=0, n=0, hash="", body=None)
        try:
            about = json.loads(kept)
            plan = replace(plan, **{key: about[key] for key in ("generation", "n", "hash", "body")})
            return self._apply(plan)
        except UNUSABLE as error:
            # Kept by another program, or sealed to a key that was enrolled anew: ask for it again.
            reason = f"kept plan unusable: {type(error).__name__}: {error}"[:300]
            return [_plan_refused(plan, reason)]

    def plan_ref(self) -> PlanRef:
        """Version and hash of the plan in force."""
        return self._ref

    def asked(self, ask: str) -> None:
        """A birth or pong with this nonce went out."""
        self._asks.append(ask)

    def from_hub(self, signed: Signed) -> bool:
        """Whether the trust file's hub signed it."""
        return any(one.principal.kind == "hub" for one in self.keyring.signers(signed, verify))

    def plan(self, payload: bytes, *, retained: bool) -> list[Turn]:
        """A plan arrived: applied, the same again, or refused by name.

        Raises:
            RemoteError: not a plan at all.
        """
        signed = parse_message(payload, limit=BROKER_BYTES_MAX)
        plan = read_plan(signed)
        verdict = judge_plan(self._ref, plan.ref)
        reason = self._plan_out_of_place(plan, signed, retained=retained)
        if not reason and verdict is PlanVerdict.SAME:
            return []
        if reason or verdict is not PlanVerdict.APPLY:
            return [_plan_refused(plan, reason or verdict.value)]
        if plan.body is None:
            self._wanted = plan
            self.fetch(plan.hash)
            return []
        return self._take(plan)

    def plan_body(self, line: bytes) -> list[Turn]:
        """The body of the plan that came without one.

        Raises:
            RemoteError: not the bytes whose hash was signed.
        """
        wanted = self._wanted
        if wanted is None:
            return []
        plan = replace(wanted, body=parse_plan_body(line, wanted.hash))
        newer = judge_plan(self._ref, plan.ref) is PlanVerdict.APPLY
        turns = self._take(plan) if newer else []
        self._wanted = None  # not before it is kept: a full disk must not lose the wish
        return turns

    def _take(self, plan: Plan) -> list[Turn]:
        try:
            return self._apply(plan)
        except UNUSABLE as error:
            return [_plan_refused(plan, f"unusable: {type(error).__name__}: {error}"[:300])]

    def command(self, payload: bytes, *, retained: bool) -> list[Turn]:
        """An order, a statement or a command arrived in the hub's wrapper.

        Raises:
            RemoteError: not a signed message at all.
        """
        signed = parse_message(payload, limit=BROKER_BYTES_MAX)
        found = unwrap_command(
            signed,
            self.keyring,
            verify,
            ctl=self.ctl,
            asks=frozenset(self._asks),
            at_trust=self.at_trust(),
            retained=retained,
        )
        if isinstance(found, Refused):
            # Anyone may have written the id: it is no answer to the genuine one of that name.
            named = str(signed.header.get("id", ""))[:64]
            about = {"id": "", "named": named, "reason": _reason(found)}
            return [Turn("system", {"type": "cmd.refused", "session": "", "data": about})]
        if found.kind == "order":
            return self.order(found.inner, via="hub")
        if found.kind == "statement":
            return self.statement(found.inner)
        return self._command(found)

    def order(
        self, signed: Signed, *, via: str, typed_by: Mapping[str, str] | None = None
    ) -> list[Turn]:
        """An order's untouched bytes, from the hub, or made, typed or scanned at this screen."""
        judged = judge_order(self._book(), signed, self.keyring, verify, self.trust)
        header = signed.header
        if isinstance(judged, Refused):
            if judged.code == "other_session" and self._plan_under_way():
                return []
            about = {
                "id": str(header.get("id", ""))[:64],
                "session": str(header.get("session", ""))[:64],
                "order": str(header.get("order", ""))[:32],
                "reason": judged.code,
                "text": judged.text[:300],
            }
            return [] if judged.code == "repeated" else [Turn("order_refused", about)]
        order = judged.order
        data = {
            "id": order.id,
            "session": order.session,
            "n": order.n,
            "order": order.order,
            "members": [_number(token) for token in order.members],
            "venues": list(order.venues),
            "committee": order.committee,
            "exceptions": list(order.exceptions),
            "reason": order.reason,
            "by": self._who(order.session, order.by, judged.signers),
            "via": via,
            "raw": signed.raw.decode("utf-8"),
        }
        return [Turn("order", data if typed_by is None else {**data, "typed_by": dict(typed_by)})]

    def statement(self, signed: Signed) -> list[Turn]:
        """A statement's untouched bytes."""
        judged = judge_statement(self._book(), signed, self.keyring, verify)
        if isinstance(judged, Refused):
            if judged.code == "other_session" and self._plan_under_way():
                return []
            about = {"id": "", "reason": _reason(judged)}
            session = str(signed.header.get("session", ""))[:64]
            known = session if session in self.sessions else ""
            note = {"type": "statement.refused", "session": known, "data": about}
            return [Turn("system", note)]
        said = judged.statement
        data = {
            "id": judged.id,
            "session": said.session,
            "member": _number(said.member),
            "document": said.document,
            "outcome": said.outcome,
            "digest": said.digest,
            "by": [self._who(said.session, one, judged.signers) for one in judged.by],
            "raw": signed.raw.decode("utf-8"),
        }
        return [Turn("statement", data)]

    def forget(self, session: str) -> None:
        """Wipes a closed session's secrets from memory and from the kept plan."""
        self.identifier.wipe(session)
        self.roster.forget(session)
        if self._plan is not None:
            self._keep(self._plan)

    def _command(self, found: Unwrapped) -> list[Turn]:
        orgs = {str(v["org"]) for plan in self.sessions.values() for v in plan["venues"]}
        judged = judge_command(found.inner, self.keyring, verify, orgs=frozenset(orgs))
        if isinstance(judged, Refused):
            about = {"id": found.id, "reason": _reason(judged)}
            return [Turn("system", {"type": "cmd.refused", "session": "", "data": about})]
        command = judged.command
        expect = command.expect
        session = str(command.args.get("session", ""))
        data = {
            "id": command.id,
            "verb": command.verb,
            "args": dict(command.args),
            "expect": None
            if expect is None
            else {"obj": expect.obj, "rev": [expect.epoch, expect.seq]},
            "by": [self._who(session, one, judged.signers) for one in judged.by],
            "session": session,
        }
        return [Turn("command", data)]

    def _book(self) -> OrderBook:
        book = OrderBook()
        for session, plan in self.sessions.items():
            last_n, last_id = self.order_numbers(session)
            book = book.with_session(
                SessionBook(
                    session=session,
                    home_org=str(plan["home_org"]),
                    org=str(plan["org"]),
                    venues=tuple(str(venue["org"]) for venue in plan["venues"]),
                    last_n=last_n,
                    last_id=last_id,
                    by_code=self.coded(session),
                )
            )
        return book

    def _who(self, session: str, subject: str, signers: tuple[Actor, ...]) -> dict[str, str]:
        plan = self.sessions.get(session, {"duty": []})
        post = next((one["post"] for one in plan["duty"] if one["person"] == subject), "")
        actor = next((one for one in signers if one.principal.subject == subject), None)
        return {
            "person": subject,
            "post": str(post),
            "role": "" if actor is None else actor.role,
            "org": "" if actor is None else actor.principal.venue_org,
        }

    def _keep(self, plan: Plan) -> None:
        """Writes the plan for the next start, without the secrets of sessions that are closed."""
        body = dict(plan.body or {})
        body["sessions"] = [
            _without_secrets(one) if self.closed(str(one["session"])) else one
            for one in body["sessions"]
        ]
        about = {"generation": plan.generation, "n": plan.n, "hash": plan.hash, "body": body}
        raw = json.dumps(about, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        if raw != self.journal.kv_get(KV_PLAN):
            self.journal.kv_wipe(KV_PLAN, raw)
        self._plan = replace(plan, body=body)

    def _apply(self, plan: Plan) -> list[Turn]:
        body = plan.body or {}
        _check_shape(body["sessions"])
        receipted = _receipted(body)
        pack = Pack.from_canonical(
            json.dumps(
                body["pack"], ensure_ascii=False, sort_keys=True, separators=(",", ":")
            ).encode("utf-8")
        )
        sessions = {str(one["session"]): one for one in body["sessions"]}
        open_ones = [one for one in sessions.values() if not self.closed(one["session"])]
        secrets = [(one, self._open_tags(one)) for one in open_ones]
        certificates = [base64.b64decode(text) for text in body["certs"]]
        keyring = Keyring(self.trust, certificates, verify)
        turn = _plan_turn(plan, sessions.values(), pack)
        if reason := self.trial(turn):
            return [_plan_refused(plan, f"the room cannot use it: {reason}"[:300])]
        self._keep(plan)
        codes = self.codes(sessions.values(), keyring)
        self.use_pack(pack)
        self.keyring, self.certificates = keyring, certificates
        self.sessions, self._ref, self.receipted = sessions, plan.ref, receipted
        for one, tags in secrets:
            self.identifier.learn(one["session"], SessionTags(one["salt"], tags))
            self.roster.learn(one["session"], [_duty(one, person) for person in one["duty"]])
        return [turn, *codes]

    def _plan_under_way(self) -> bool:
        """Whether a newer plan's body is being fetched: it may know more sessions.

        What cannot be judged until then is left unanswered, and the hub sends it again.
        """
        wanted = self._wanted
        return wanted is not None and judge_plan(self._ref, wanted.ref) is PlanVerdict.APPLY

    def _plan_out_of_place(self, plan: Plan, signed: Signed, *, retained: bool) -> str:
        if retained:
            return "retained"
        if not self.from_hub(signed):
            return "not signed by the hub"
        return "" if plan.ctl == self.ctl else f"meant for {plan.ctl}"

    def _open_tags(self, session: Mapping[str, Any]) -> dict[int, str]:
        tags = json.loads(open_box(self.seal_key, session["tags"]))
        return {int(no): str(tag) for no, tag in tags.items()}


def _check_shape(sessions: Any) -> None:
    """Raises TypeError or ValueError where the rules behind this file would miss something."""
    for at, one in enumerate(sessions):
        for key, kind in SESSION_SHAPE.items():
            if not isinstance(one.get(key), kind):
                raise TypeError(f"sessions[{at}].{key}: expected {kind.__name__}")
        people = all(
            isinstance(person.get(key), str) for person in one["duty"] for key in DUTY_KEYS
        )
        if not people or not all(isinstance(venue.get("org"), str) for venue in one["venues"]):
            raise ValueError(f"sessions[{at}]: expected duty of {DUTY_KEYS} and venues with org")


def _receipted(body: Mapping[str, Any]) -> dict[str, str]:
    """Session -> receipt; a hub of before said nothing of them, and then nothing is deleted."""
    said = body.get(RECEIPTED, {})
    if not all(isinstance(one, str) and one for pair in said.items() for one in pair):
        raise TypeError(f"{RECEIPTED}: expected session ids and receipts")
    return dict(said)


def _without_secrets(session: Mapping[str, Any]) -> dict[str, Any]:
    """A closed session's plan: who took part stays known, tags and wrapped keys do not."""
    duty = [{**person, "wrapped": None} for person in session["duty"]]
    return {**session, "salt": "", "tags": "", "duty": duty}


def _public(session: Mapping[str, Any]) -> dict[str, Any]:
    """A session's plan without what must stay out of the record."""
    duty = [{key: one[key] for key in ("person", "post", "role", "org")} for one in session["duty"]]
    hidden = ("salt", "tags", "duty", "codes")
    return {**{key: value for key, value in session.items() if key not in hidden}, "duty": duty}


def _plan_turn(plan: Plan, sessions: Iterable[Mapping[str, Any]], pack: Pack) -> Turn:
    """A plan as the room core takes it, without secrets."""
    data = {
        "generation": plan.generation,
        "n": plan.n,
        "hash": plan.hash,
        "sessions": [_public(one) for one in sessions],
        "pack_hash": pack.hash,
    }
    return Turn("plan", data)


def _duty(session: Mapping[str, Any], person: Mapping[str, Any]) -> DutyPerson:
    return DutyPerson(
        session=session["session"],
        person=person["person"],
        post=person["post"],
        role=person["role"],
        org=person["org"],
        kid=person["kid"],
        wrapped=person.get("wrapped"),
    )


def _number(token: str) -> int:
    """Member number of a token; `RemoteError` when it is not one."""
    digits = token.removeprefix(MEMBER_PREFIX)
    if not digits.isdigit():
        raise RemoteError("not a member", where="member", expected="x and digits", got=token)
    return int(digits)


def _reason(refused: Refused) -> str:
    return f"{refused.code}: {refused.text}"[:300]


def _plan_refused(plan: Plan, reason: str) -> Turn:
    data = {"generation": plan.generation, "n": plan.n, "hash": plan.hash, "reason": reason}
    return Turn("system", {"type": "plan.refused", "session": "", "data": data})
