//! The date in a chat template: Llama 3.2's tells the model the day (`strftime_now` of transformers).

/// A moment as a calendar and a clock show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub year: i64,
    /// From 1 on.
    pub month: usize,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    /// From 0 on, which is a Sunday.
    weekday: usize,
    /// Of the year, from 1 on.
    yearday: i64,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The moment so many seconds after 1970 began (Howard Hinnant's `civil_from_days`).
pub fn moment(seconds: i64) -> Moment {
    let (days, within) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as usize;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // The era's years begin in March.
    let yearday = if month > 2 { day_of_year + 60 + i64::from(is_leap) } else { day_of_year - 305 };
    Moment {
        year,
        month,
        day: (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32,
        hour: within / 3600,
        minute: within / 60 % 60,
        second: within % 60,
        weekday: (days + 4).rem_euclid(7) as usize,
        yearday,
    }
}

/// The seconds since 1970 began, on the clocks of the browser's time zone; natively in UTC.
pub fn present() -> i64 {
    #[cfg(target_arch = "wasm32")]
    let seconds = crate::web::local_seconds();
    #[cfg(not(target_arch = "wasm32"))]
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs() as i64);
    seconds
}

/// Python's `strftime`, with the directives that chat templates use; others stay as they are.
pub fn formatted(format: &str, moment: Moment) -> String {
    let Moment { year, month, day, hour, minute, second, weekday, yearday } = moment;
    let (month_name, day_name) = (MONTHS[month - 1], DAYS[weekday]);
    let mut out = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('Y') => out += &year.to_string(),
            Some('y') => out += &format!("{:02}", year.rem_euclid(100)),
            Some('m') => out += &format!("{month:02}"),
            Some('B') => out += month_name,
            Some('b') => out += &month_name[..3],
            Some('d') => out += &format!("{day:02}"),
            Some('A') => out += day_name,
            Some('a') => out += &day_name[..3],
            Some('H') => out += &format!("{hour:02}"),
            Some('M') => out += &format!("{minute:02}"),
            Some('S') => out += &format!("{second:02}"),
            Some('j') => out += &format!("{yearday:03}"),
            Some('%') => out.push('%'),
            other => {
                out.push('%');
                out.extend(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "Thu 01 Jan 1970 00:00:00 001"),
            (951_782_399, "Mon 28 Feb 2000 23:59:59 059"),
            (951_782_400, "Tue 29 Feb 2000 00:00:00 060"),
            (1_796_000_000, "Mon 30 Nov 2026 00:53:20 334"),
            (-1, "Wed 31 Dec 1969 23:59:59 365"),
        ] {
            assert_eq!(formatted("%a %d %b %Y %H:%M:%S %j", moment(seconds)), text);
        }
        assert_eq!(formatted("%A, %B %y %m 100%% %q %", moment(0)), "Thursday, January 70 01 100% %q %");
    }
}
