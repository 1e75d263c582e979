//! Parses dates of messages. A single 3/4 may be in March or in April; all dates of a file together decide the order.

/// Position of the year among a date's three numbers, as far as their digits show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Year {
    First,
    Last,
    /// All three numbers have at most two digits.
    Unknown,
}

/// The date as written, and the minute of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub date: [u32; 3],
    pub year: Year,
    pub minute: u32,
    /// Written with AM or PM.
    pub halves: bool,
}

/// The order of year, month and day in a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    DayMonthYear,
    MonthDayYear,
    YearMonthDay,
    YearDayMonth,
}

const ORDERS: [Order; 4] = [Order::DayMonthYear, Order::MonthDayYear, Order::YearMonthDay, Order::YearDayMonth];

impl Order {
    /// The index of the day among the three numbers.
    fn day(self) -> usize {
        match self {
            Self::DayMonthYear => 0,
            Self::MonthDayYear | Self::YearDayMonth => 1,
            Self::YearMonthDay => 2,
        }
    }
}

impl Stamp {
    /// Year, month and day. Where the digits show the year's position, it overrides the order's.
    fn parts(&self, order: Order) -> (u32, u32, u32) {
        let [a, b, c] = self.date;
        match (self.year, order) {
            (Year::First, Order::YearDayMonth) => (a, c, b),
            (Year::First, _) | (Year::Unknown, Order::YearMonthDay) => (a, b, c),
            (_, Order::MonthDayYear) => (c, a, b),
            _ => (c, b, a),
        }
    }

    /// Minutes since 1970, in the phone's time zone. Invalid dates give some number near it.
    pub fn minutes(&self, order: Order) -> i64 {
        let (year, month, day) = self.parts(order);
        let year = match year {
            0..100 => year + 2000,
            // Taiwan counts from 1912.
            100..200 => year + 1911,
            // Thailand counts years in the Buddhist era. Leap years are only right in the Gregorian one.
            2400..2700 => year - 543,
            _ => year,
        };
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

/// Statistics of a file's dates that decide their order.
#[derive(Debug, Default)]
pub struct Orders {
    /// For each of [`ORDERS`], the number of dates that are impossible in it.
    impossible: [u64; 4],
    /// For each of them, how often time goes backwards.
    backwards: [u64; 4],
    /// For each of the three numbers, how often it differs from the previous date. The day nearly always does.
    changes: [u64; 3],
    last: Option<([u32; 3], [i64; 4])>,
    halves: bool,
    /// Whether there are dates that show the year at the end, and dates that do not show the year.
    year_last: bool,
    year_unknown: bool,
}

impl Orders {
    pub fn note(&mut self, stamp: &Stamp) {
        self.year_last |= stamp.year == Year::Last;
        self.year_unknown |= stamp.year == Year::Unknown;
        self.halves |= stamp.halves;
        let now = ORDERS.map(|order| stamp.minutes(order));
        let (last_date, last) = self.last.replace((stamp.date, now)).unwrap_or((stamp.date, now));
        for (index, order) in ORDERS.into_iter().enumerate() {
            let (_, month, day) = stamp.parts(order);
            self.impossible[index] += u64::from(month == 0 || month > 12 || day == 0 || day > 31);
            self.backwards[index] += u64::from(now[index] < last[index]);
        }
        for (changes, (now, last)) in self.changes.iter_mut().zip(stamp.date.into_iter().zip(last_date)) {
            *changes += u64::from(now != last);
        }
    }

    /// The order that fits best. If several fit, the American order for clocks of twelve hours.
    pub fn order(&self) -> Order {
        let american = self.halves;
        let able: &[Order] = match (self.year_last, self.year_unknown) {
            (false, false) => &[Order::YearMonthDay, Order::YearDayMonth],
            (false, true) if american => &[Order::MonthDayYear, Order::DayMonthYear, Order::YearMonthDay],
            (false, true) => &[Order::DayMonthYear, Order::MonthDayYear, Order::YearMonthDay],
            (true, _) if american => &[Order::MonthDayYear, Order::DayMonthYear],
            (true, _) => &[Order::DayMonthYear, Order::MonthDayYear],
        };
        let doubts = |order: &Order| {
            let index = ORDERS.iter().position(|it| it == order).unwrap_or_default();
            let others: u64 = self.changes.iter().sum::<u64>() - self.changes[order.day()];
            (self.impossible[index], self.backwards[index], others)
        };
        able.iter().copied().min_by_key(doubts).unwrap_or(Order::DayMonthYear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(date: [u32; 3], halves: bool) -> Stamp {
        let year = match date {
            [first, ..] if first >= 100 => Year::First,
            [.., last] if last >= 100 => Year::Last,
            _ => Year::Unknown,
        };
        Stamp { date, year, minute: 0, halves }
    }

    fn order(dates: &[[u32; 3]], halves: bool) -> Order {
        let mut orders = Orders::default();
        dates.iter().for_each(|&date| orders.note(&stamp(date, halves)));
        orders.order()
    }

    #[test]
    fn days_follow_the_gregorian_calendar() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 2, 29), 11_016);
        assert_eq!(days(2024, 3, 1) - days(2024, 2, 28), 2);
        assert_eq!(days(1969, 12, 31), -1);
    }

    #[test]
    fn a_date_is_the_same_in_each_order() {
        let minutes = stamp([2023, 12, 31], false).minutes(Order::MonthDayYear);
        assert_eq!(stamp([31, 12, 23], false).minutes(Order::DayMonthYear), minutes);
        assert_eq!(stamp([12, 31, 2023], true).minutes(Order::MonthDayYear), minutes);
        assert_eq!(minutes, 19_722 * 24 * 60);
    }

    #[test]
    fn all_dates_together_decide_the_order() {
        assert_eq!(order(&[[1, 2, 23], [13, 2, 23]], true), Order::DayMonthYear);
        assert_eq!(order(&[[1, 2, 23], [1, 13, 23]], false), Order::MonthDayYear);
        // Only one of them never goes back in time.
        assert_eq!(order(&[[1, 12, 22], [2, 1, 23], [3, 1, 23], [1, 2, 23]], true), Order::DayMonthYear);
        assert_eq!(order(&[[12, 1, 22], [1, 2, 23], [1, 3, 23], [2, 1, 23]], false), Order::MonthDayYear);
        assert_eq!(order(&[[1, 2, 23]], false), Order::DayMonthYear);
        assert_eq!(order(&[[1, 2, 23]], true), Order::MonthDayYear);
        assert_eq!(order(&[[0, 0, 0], [99, 99, 9999], [2023, 1, 1]], false), Order::DayMonthYear);
    }
    #[test]
    fn the_number_that_changes_most_is_the_day() {
        // A clock of twelve hours, but not American: in India five days, not five months.
        assert_eq!(order(&[[1, 2, 24], [2, 2, 24], [3, 2, 24], [5, 2, 24], [9, 2, 24]], true), Order::DayMonthYear);
        assert_eq!(order(&[[2, 1, 24], [2, 2, 24], [2, 3, 24]], false), Order::MonthDayYear);
        assert_eq!(order(&[[25, 9, 26], [25, 9, 27], [25, 10, 1]], false), Order::YearMonthDay);
        assert_eq!(order(&[[25, 9, 26], [26, 9, 26], [1, 10, 26]], false), Order::DayMonthYear);
    }

    #[test]
    fn a_year_of_four_digits_keeps_its_position() {
        assert_eq!(order(&[[2024, 1, 2], [2024, 1, 3]], true), Order::YearMonthDay);
        assert_eq!(order(&[[2024, 2, 1], [2024, 13, 1]], false), Order::YearDayMonth);
        let minutes = stamp([2023, 12, 31], false).minutes(Order::DayMonthYear);
        assert_eq!(stamp([2023, 31, 12], false).minutes(Order::YearDayMonth), minutes);
    }

    #[test]
    fn years_of_other_eras_are_converted() {
        let minutes = |date| stamp(date, false).minutes(Order::DayMonthYear);
        assert_eq!(minutes([29, 2, 2567]), minutes([29, 2, 2024]));
        assert_eq!(minutes([1, 3, 2567]) - minutes([29, 2, 2567]), 24 * 60);
        assert_eq!(minutes([114, 9, 26]), minutes([2025, 9, 26]));
    }
}
