//! The date and time that the browser shows.

use js_sys::Date;

/// The seconds since 1970 began, on the clocks of the browser's time zone.
pub fn local_seconds() -> i64 {
    let date = Date::new_0();
    (date.get_time() / 1000.0) as i64 - (date.get_timezone_offset() * 60.0) as i64
}
