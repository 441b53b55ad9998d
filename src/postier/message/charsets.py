"""Character sets that mail names (RFC 2978), decoded by a closed list: a message never chooses a codec of
ours."""

from __future__ import annotations

import re

__all__ = ["decode", "decode_unknown", "known"]

_CODECS = {
    name: codec
    for codec, names in {
        "utf-8": "utf-8 utf8 unicode-1-1-utf-8 utf-8-mac x-unicode-utf-8",
        "ascii": "us-ascii ascii ansi_x3.4-1968 iso646-us iso-ir-6 cp367 646 us",
        "iso-8859-1": "iso-8859-1 iso8859-1 iso_8859-1 iso_8859-1:1987 latin1 latin-1 l1 cp819 ibm819 8859-1",
        "iso-8859-2": "iso-8859-2 iso8859-2 iso_8859-2 latin2 l2",
        "iso-8859-3": "iso-8859-3 iso8859-3 latin3",
        "iso-8859-4": "iso-8859-4 iso8859-4 latin4",
        "iso-8859-5": "iso-8859-5 iso8859-5 cyrillic",
        "iso-8859-6": "iso-8859-6 iso8859-6 arabic iso-8859-6-i iso-8859-6-e",
        "iso-8859-7": "iso-8859-7 iso8859-7 greek",
        "iso-8859-8": "iso-8859-8 iso8859-8 iso-8859-8-i iso-8859-8-e hebrew logical",
        "iso-8859-9": "iso-8859-9 iso8859-9 latin5",
        "iso-8859-10": "iso-8859-10 iso8859-10 latin6",
        "iso-8859-11": "iso-8859-11 iso8859-11",
        "tis-620": "tis-620 windows-874 cp874",
        "iso-8859-13": "iso-8859-13 iso8859-13",
        "iso-8859-14": "iso-8859-14 iso8859-14",
        "iso-8859-15": "iso-8859-15 iso8859-15 latin-9 latin9",
        "iso-8859-16": "iso-8859-16 iso8859-16",
        **{f"cp125{n}": f"windows-125{n} cp125{n} win-125{n} x-cp125{n} ansi-125{n}" for n in range(9)},
        "cp437": "cp437 ibm437",
        "cp850": "cp850 ibm850",
        "cp852": "cp852 ibm852",
        "cp855": "cp855 ibm855",
        "cp866": "cp866 ibm866",
        "koi8-r": "koi8-r koi8 koi",
        "koi8-u": "koi8-u koi8-ru",
        "mac-roman": "macintosh mac x-mac-roman",
        "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
        "iso2022_jp_2": "iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 csiso2022jp",
        "shift_jis": "shift_jis shift-jis sjis",
        "cp932": "cp932 windows-31j ms_kanji x-sjis",
        "euc_jp": "euc-jp x-euc-jp eucjp",
        "iso2022_kr": "iso-2022-kr",
        "cp949": "euc-kr ks_c_5601-1987 ks_c_5601 ksc5601 cp949 windows-949 korean",
        "gb18030": "gb2312 gbk gb18030 cp936 gb_2312-80 x-gbk chinese",
        "hz": "hz-gb-2312 hz",
        "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5 cp950",
        "utf-7": "utf-7 unicode-1-1-utf-7",
        "utf-16": "utf-16 unicode ucs-2 iso-10646-ucs-2",
        "utf-16-le": "utf-16le",
        "utf-16-be": "utf-16be",
        "utf-32": "utf-32 ucs-4",
    }.items()
    for name in names.split()
}
_SURROGATES = re.compile("[\ud800-\udfff]")


def known(charset: str) -> bool:
    """True if `decode` knows the name, whatever its case."""
    return charset.strip().lower() in _CODECS


def decode(data: bytes, charset: str) -> str:
    """`data` as text. What cannot be read becomes U+FFFD; an unknown name or US-ASCII is read as
    `decode_unknown`."""
    codec = _CODECS.get(charset.strip().lower())
    if codec is None or codec == "ascii":
        return decode_unknown(data)
    try:
        text = data.decode(codec, "replace")
    except UnicodeError:  # a few multibyte codecs refuse a broken shift state whatever the handler
        return data.decode("ascii", "replace")
    return _SURROGATES.sub("\ufffd", text) if codec == "utf-7" else text


def decode_unknown(data: bytes) -> str:
    """Text of no declared charset: UTF-8 if it is that, else ASCII with U+FFFD for the rest."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("ascii", "replace")
