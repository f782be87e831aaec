"""The structures of a zip file that the writer and the reader share (PKWARE's APPNOTE 6.3)."""

from __future__ import annotations

import struct

ALIGNMENT = 64

LOCAL_SIGNATURE = b"PK\x03\x04"
CENTRAL_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
END64_SIGNATURE = b"PK\x06\x06"
LOCATOR_SIGNATURE = b"PK\x06\x07"

# signature, version needed, flags, method, time, date, CRC, packed size, size, length of the name
# and of the extra fields
LOCAL = struct.Struct("<4s5H3L2H")
# signature, version made by, version needed, flags, method, time, date, CRC, packed size, size,
# length of the name, of the extra fields and of the comment, disk, attributes, more attributes,
# place of the local header
CENTRAL = struct.Struct("<4s6H3L5H2L")
# signature, this disk, first disk, entries here, entries, size and place of the table, length of
# the comment
END = struct.Struct("<4s4H2LH")
# signature, size of the rest, version made by, version needed, this disk, first disk, entries
# here, entries, size and place of the table
END64 = struct.Struct("<4sQ2H2L4Q")
# signature, disk, place of the long end record, disks
LOCATOR = struct.Struct("<4sLQL")
# An extra field: id and length.
EXTRA = struct.Struct("<2H")

LONG_SIZES_ID = 1
# The extra field that fills a header up, by the id that PyTorch's writer gives it.
PADDING_ID = int.from_bytes(b"FB", "little")

STORED, DEFLATED = 0, 8
ENCRYPTED = 1
UTF8 = 0x800
# Sizes, places and counts of this much or more stand elsewhere, and the greatest number instead.
LIMIT = LONG = 0xFFFFFFFF
COUNT_LIMIT = LONG_COUNT = 0xFFFF
