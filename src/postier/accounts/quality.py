"""Which passwords are taken when somebody sets one."""

from __future__ import annotations

import unicodedata

from postier.accounts.precis import opaque_string, saslprep

__all__ = ["MIN_LENGTH", "WeakPassword", "require_good"]

MIN_LENGTH = 8

_WORST_WORDS = (
    "00000000 11111111 11223344 12121212 12341234 12345678 123456789 1234567890 123456789a 1234qwer "
    "123123123 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 87654321 987654321 a1b2c3d4 "
    "aa123456 aaaaaaaa abc12345 abcd1234 abcdefgh "
    "access14 adminadmin administrator admin123 admin1234 asdfasdf asdfghjk asdfghjkl azertyui azertyuiop "
    "baseball bonjour1 butterfly changeme changeme1 chocolate computer doudou12 dragon12 einstein football "
    "footbal1 iloveyou iloveyou1 internet jesus123 jetaime1 letmein1 letmein123 liverpool loulou12 marseille "
    "master12 michelle michael1 mustang1 motdepasse motdepasse1 nicolas1 p@ssw0rd p@ssword pass1234 passpass "
    "passw0rd password password! password1 password12 password123 passwort passwort1 porsche1 postmaster "
    "princess qazwsxedc qwer1234 qwert123 qwerty12 qwerty123 qwertyui qwertyuiop qwertz123 qwertzui rootroot "
    "sunshine superman starwars secret123 testtest test1234 trustno1 welcome1 welcome123 whatever willkommen "
    "zaq12wsx zxcvbnm1 zxcvbnmm "
)
_WORST = frozenset(_WORST_WORDS.split())


class WeakPassword(ValueError):
    """Why a password is not taken, in one sentence for whoever chose it."""


def require_good(password: str, *, address: str = "") -> None:
    """Raises WeakPassword. Long and unusual is enough: no rule asks for digits or signs."""
    text = opaque_string(password)
    if any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in text):
        raise WeakPassword("the password has control characters, which some programs cannot send")
    if not text:
        raise WeakPassword("the password is empty")
    if len(text) < MIN_LENGTH:
        raise WeakPassword(f"the password is shorter than {MIN_LENGTH} characters")
    folded = saslprep(text).casefold()
    if folded in _WORST:
        raise WeakPassword("this password is among the first that anybody tries")
    if len(set(folded)) < 4:
        raise WeakPassword("the password has fewer than 4 different characters")
    local_part, _, domain = address.casefold().partition("@")
    if address and folded in (address.casefold(), local_part, domain, local_part * 2):
        raise WeakPassword("the password is the address, or a part of it")
