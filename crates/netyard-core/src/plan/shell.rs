//! Ops as the commands a person would type.

/// Nanoseconds as `tc` writes them: `20ms`, `1500us`.
pub(super) fn duration(nanoseconds: u64) -> String {
    match nanoseconds {
        0 => "0ms".to_string(),
        n if n % 1_000_000_000 == 0 => format!("{}s", n / 1_000_000_000),
        n if n % 1_000_000 == 0 => format!("{}ms", n / 1_000_000),
        n if n % 1_000 == 0 => format!("{}us", n / 1_000),
        n => format!("{n}ns"),
    }
}

/// Parts per million as a percentage: `0.5%`.
pub(super) fn percent(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Bits per second as `tc` writes them: `100mbit`.
pub(super) fn rate(bits: u64) -> String {
    match bits {
        0 => "unlimited".to_string(),
        n if n % 1_000_000_000 == 0 => format!("{}gbit", n / 1_000_000_000),
        n if n % 1_000_000 == 0 => format!("{}mbit", n / 1_000_000),
        n if n % 1_000 == 0 => format!("{}kbit", n / 1_000),
        n => format!("{n}bit"),
    }
}
