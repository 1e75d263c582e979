//! When a message was sent. A file does not say whether 3/4 is in March or in April; all its dates together do.

/// The date as it is written, and the minute of its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub date: [u32; 3],
    /// The first number is a year: it has four digits.
    pub year_first: bool,
    pub minute: u32,
    /// Written with AM or PM.
    pub halves: bool,
}

/// What the first two numbers of a date are, where the third is the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    DayMonth,
    MonthDay,
}

impl Stamp {
    /// Minutes since 1970, in whatever zone the phone was. Numbers that are no date give some number near it.
    pub fn minutes(&self, order: Order) -> i64 {
        let [a, b, c] = self.date;
        let (year, month, day) = match order {
            _ if self.year_first => (a, b, c),
            Order::DayMonth => (c, b, a),
            Order::MonthDay => (c, a, b),
        };
        let year = if year < 100 { year + 2000 } else { year };
        days(i64::from(year), i64::from(month.clamp(1, 12)), i64::from(day.clamp(1, 31))) * 24 * 60
            + i64::from(self.minute)
    }
}

/// Days since 1970-01-01 in the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms", 2013).
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// What all dates of a file say about their order.
#[derive(Debug, Default)]
pub struct Orders {
    /// Dates that can only be read as day and month, and as month and day.
    certain: [u64; 2],
    /// How often time goes backwards if they are read so.
    backwards: [u64; 2],
    last: Option<[i64; 2]>,
    halves: bool,
}

impl Orders {
    pub fn note(&mut self, stamp: &Stamp) {
        if stamp.year_first {
            return;
        }
        let [first, second, _] = stamp.date;
        self.certain[0] += u64::from(first > 12 && second <= 12);
        self.certain[1] += u64::from(second > 12 && first <= 12);
        self.halves |= stamp.halves;
        let now = [Order::DayMonth, Order::MonthDay].map(|order| stamp.minutes(order));
        let last = self.last.replace(now).unwrap_or(now);
        for (backwards, (now, last)) in self.backwards.iter_mut().zip(now.into_iter().zip(last)) {
            *backwards += u64::from(now < last);
        }
    }

    /// The order that fits best. Where both fit, that of the Americans for clocks of twelve hours.
    pub fn order(&self) -> Order {
        let day_month = (self.certain[1], self.backwards[0], self.halves);
        let month_day = (self.certain[0], self.backwards[1], !self.halves);
        if month_day < day_month { Order::MonthDay } else { Order::DayMonth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(date: [u32; 3], halves: bool) -> Stamp {
        Stamp { date, year_first: date[0] > 999, minute: 0, halves }
    }

    fn order(dates: &[[u32; 3]], halves: bool) -> Order {
        let mut orders = Orders::default();
        dates.iter().for_each(|&date| orders.note(&stamp(date, halves)));
        orders.order()
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 2, 29), 11_016);
        assert_eq!(days(2024, 3, 1) - days(2024, 2, 28), 2);
        assert_eq!(days(1969, 12, 31), -1);
    }

    #[test]
    fn a_date_is_the_same_in_each_order() {
        let minutes = stamp([2023, 12, 31], false).minutes(Order::MonthDay);
        assert_eq!(stamp([31, 12, 23], false).minutes(Order::DayMonth), minutes);
        assert_eq!(stamp([12, 31, 2023], true).minutes(Order::MonthDay), minutes);
        assert_eq!(minutes, 19_722 * 24 * 60);
    }

    #[test]
    fn all_dates_together_tell_the_order() {
        assert_eq!(order(&[[1, 2, 23], [13, 2, 23]], true), Order::DayMonth);
        assert_eq!(order(&[[1, 2, 23], [1, 13, 23]], false), Order::MonthDay);
        // Only one of them never goes back in time.
        assert_eq!(order(&[[1, 12, 22], [2, 1, 23], [3, 1, 23], [1, 2, 23]], true), Order::DayMonth);
        assert_eq!(order(&[[12, 1, 22], [1, 2, 23], [1, 3, 23], [2, 1, 23]], false), Order::MonthDay);
        assert_eq!(order(&[[1, 2, 23]], false), Order::DayMonth);
        assert_eq!(order(&[[1, 2, 23]], true), Order::MonthDay);
        assert_eq!(order(&[[0, 0, 0], [99, 99, 9999], [2023, 1, 1]], false), Order::DayMonth);
    }
}
