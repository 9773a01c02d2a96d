//! The short forms people write (`512m`, `10s`, `8080:80/tcp`), parsed once for every face.

use crate::error::{Error, Result};

/// A size in bytes: `1024`, `512k`, `64m`, `2g`, `1t`, with an optional `b` or `ib`; powers of 1,024, as Docker counts.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn size(text: &str) -> Result<i64> {
    let wrong = || Error::invalid(format!("invalid size: '{text}'"));
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = lower[digits.len()..].trim_end_matches("ib").trim_end_matches('b');
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let bytes = number * (1u64 << shift) as f64;
    if !(bytes.is_finite() && bytes >= -1.0 && bytes < i64::MAX as f64) {
        return Err(wrong());
    }
    Ok(bytes as i64)
}
