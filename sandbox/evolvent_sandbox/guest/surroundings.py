"""Another clock, time zone and locale for one call, set in its own process before its source is loaded.

The clock is that of `time` and `datetime` as Python code sees it; the kernel's stays as it is, because a time
namespace shifts only the clocks that nobody reads the date from. What a program learns of the time by other means,
such as a file's time stamps, is not covered.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["surround"]


def surround(variation: dict[str, Any]) -> None:
    """Set locale, time zone and clock of this process."""
    import locale
    import time

    os.environ["TZ"] = variation["time_zone"]
    time.tzset()
    for name in (variation["locale"], "C.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    if variation["clock_seconds"]:
        _shift_time(variation["clock_seconds"])
        _shift_datetime()


def _shift_time(seconds: float) -> None:
    import time

    real_time, real_ns = time.time, time.time_ns
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_ns() + round(seconds * 1e9)
    for name in ("localtime", "gmtime"):
        setattr(time, name, _reading_now(getattr(time, name), 0))
    for name in ("ctime", "asctime"):
        setattr(
            time, name, _reading_now(getattr(time, name), 0, time.localtime if name == "asctime" else None)
        )
    real_strftime = time.strftime
    time.strftime = lambda form, when=None: real_strftime(form, time.localtime() if when is None else when)


def _reading_now(function: Any, place: int, now: Any = None) -> Any:
    import time

    def reads(*args: Any) -> Any:
        given = args[place] if len(args) > place else None
        return function((now or time.time)() if given is None else given)

    return reads


def _shift_datetime() -> None:
    """Put classes in place of `date` and `datetime` that read the shifted clock and recognise the real ones."""
    import datetime
    import time

    class Recognising(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, cls.__mro__[1])

    class date(datetime.date, metaclass=Recognising):
        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(time.time())

    class datetime_(datetime.datetime, metaclass=Recognising):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(time.time())

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    datetime_.__name__ = datetime_.__qualname__ = "datetime"
    date.__qualname__ = "date"
    date.__module__ = datetime_.__module__ = "datetime"
    datetime.date, datetime.datetime = date, datetime_  # type: ignore[misc]  # for this process only
