//! Numbers of bytes, for people.

use std::fmt;

/// A number of bytes, shown in the decimal units disks and hubs use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1000 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = units[0];
        for larger in &units[1..] {
            // 999.95 would be shown as 1000.0.
            if value < 999.95 {
                break;
            }
            (value, unit) = (value / 1000.0, larger);
        }
        f.pad(&format!("{value:.1} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_read_as_on_the_hub() {
        let check = |bytes: u64, expected: &str| assert_eq!(Size(bytes).to_string(), expected);
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1.0 kB");
        check(999_960, "1.0 MB");
        check(16_060_556_376, "16.1 GB");
        check(u64::MAX, "18.4 EB");
        assert_eq!(format!("{:>8}", Size(1)), "     1 B");
    }
}
