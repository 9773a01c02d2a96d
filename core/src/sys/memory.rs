//! This machine's memory (proc_meminfo(5)).

/// All of it, bytes; 0 when the kernel does not say.
pub(crate) fn total() -> std::io::Result<u64> {
    std::fs::read_to_string("/proc/meminfo").map(|text| parse(&text))
}

fn parse(text: &str) -> u64 {
    let kibibytes = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok()
    });
    kibibytes.map_or(0, |kibibytes: u64| kibibytes.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_total_is_among_other_lines_and_in_kibibytes() {
        assert_eq!(super::parse("MemTotal:       16384 kB\nMemFree: 1 kB\n"), 16 << 20);
        assert_eq!(super::parse("MemFree: 1 kB\n"), 0);
    }
}
