"""People at the hub: who they are, how they sign in, what they may do."""

from hub.accounts.actor import ROLES, Actor, SignedIn, require
from hub.accounts.service import Accounts

__all__ = ["ROLES", "Accounts", "Actor", "SignedIn", "require"]
