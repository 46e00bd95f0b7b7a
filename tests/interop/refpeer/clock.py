"""Times as PPSPP sends them."""
import time

NTP_EPOCH_S = 2208988800        # 1900 to 1970, RFC 5905 section 6


def now_us():
    return time.time_ns() // 1000


def to_ntp(unix_s):
    return int((unix_s + NTP_EPOCH_S) * 2**32)


def from_ntp(ntp_time):
    return ntp_time / 2**32 - NTP_EPOCH_S


def now_ntp():
    return to_ntp(time.time())
