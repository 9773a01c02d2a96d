//! One header block: 512 bytes of v7, ustar, star or GNU fields.

use super::Time;

/// Size of everything in an archive.
pub(super) const BLOCK: usize = 512;
/// Largest size that eleven octal digits can say.
pub(super) const MAX_OCTAL_SIZE: u64 = 0o777_7777_7777;

/// Why a field cannot be.
pub(super) type Wrong = String;

/// A header block.
pub(super) struct Header<'a>(pub(super) &'a [u8; BLOCK]);

/// Which of the formats a header is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Before 1988: no magic.
    V7,
    /// POSIX, and PAX whose headers are such.
    Ustar,
    /// Jörg Schilling's, with a shorter prefix.
    Star,
    /// GNU, which has other things where the prefix is.
    Gnu,
}

impl Header<'_> {
    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Whether the checksum is right. Old Suns summed signed bytes; everybody accepts both.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let wanted = number(&self.0[148..156]).map_err(|why| format!("checksum: {why}"))?;
        let (mut unsigned, mut signed) = (0i64, 0i64);
        for (at, byte) in self.0.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { *byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte as i8);
        }
        if wanted == unsigned || wanted == signed {
            return Ok(());
        }
        Err("the header's checksum is wrong".into())
    }

    pub(super) fn format(&self) -> Format {
        match &self.0[257..265] {
            b"ustar  \0" => Format::Gnu,
            [b'u', b's', b't', b'a', b'r', 0, ..] if &self.0[508..512] == b"tar\0" => Format::Star,
            [b'u', b's', b't', b'a', b'r', 0, ..] => Format::Ustar,
            _ => Format::V7,
        }
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let prefix = match self.format() {
            Format::Ustar => text(&self.0[345..500]),
            Format::Star => text(&self.0[345..476]),
            Format::V7 | Format::Gnu => b"",
        };
        if prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32, Wrong> {
        let mode = field("mode", &self.0[100..108])?;
        // Old archives keep the file's type in the bits above.
        Ok((mode & 0o7777) as u32)
    }

    pub(super) fn uid(&self) -> Result<u32, Wrong> {
        owner("uid", field("uid", &self.0[108..116])?)
    }

    pub(super) fn gid(&self) -> Result<u32, Wrong> {
        owner("gid", field("gid", &self.0[116..124])?)
    }

    pub(super) fn size(&self) -> Result<u64, Wrong> {
        unsigned("size", field("size", &self.0[124..136])?)
    }

    /// Whether the size field holds the value that writers put there when they could not express the real one.
    pub(super) fn size_is_truncated(&self, real: u64) -> Result<bool, Wrong> {
        let size = self.size()?;
        Ok(real > MAX_OCTAL_SIZE
            && (size == 0 || size == MAX_OCTAL_SIZE || size == real & MAX_OCTAL_SIZE))
    }

    pub(super) fn mtime(&self) -> Result<Time, Wrong> {
        Ok(Time { seconds: field("mtime", &self.0[136..148])?, nanoseconds: 0 })
    }

    pub(super) fn device(&self) -> Result<(u32, u32), Wrong> {
        if self.format() == Format::V7 {
            return Err("a device in an archive without device numbers".into());
        }
        let major = unsigned("major", field("major", &self.0[329..337])?)?;
        let minor = unsigned("minor", field("minor", &self.0[337..345])?)?;
        // 12 and 20 bits are what the kernel has (linux/kdev_t.h).
        match (u32::try_from(major), u32::try_from(minor)) {
            (Ok(major @ 0..=0xfff), Ok(minor @ 0..=0xf_ffff)) => Ok((major, minor)),
            _ => Err(format!("there is no device {major}:{minor}")),
        }
    }

    /// GNU sparse: four pairs of offset and length, whether more blocks of pairs follow, and the file's real size.
    pub(super) fn sparse(&self) -> (&[u8], bool, &[u8]) {
        (&self.0[386..482], self.0[482] != 0, &self.0[483..495])
    }
}

/// An owner's number. -1 means "leave it as it is" to chown(2), so it is no owner.
pub(super) fn owner(name: &str, value: i64) -> Result<u32, Wrong> {
    match u32::try_from(value) {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => Err(format!("{name} {value} is out of range")),
    }
}

pub(super) fn unsigned(name: &str, value: i64) -> Result<u64, Wrong> {
    u64::try_from(value).map_err(|_| format!("{name} is negative"))
}

pub(super) fn field(name: &str, bytes: &[u8]) -> Result<i64, Wrong> {
    number(bytes).map_err(|why| format!("{name}: {why}"))
}

/// Text up to the first NUL, or the whole field.
pub(super) fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
}

/// Octal digits between spaces and NULs, or GNU's base 256: a first byte with its top bit set, two's complement.
pub(super) fn number(field: &[u8]) -> Result<i64, Wrong> {
    if field[0] & 0x80 != 0 {
        return base_256(field);
    }
    let digits = field.iter().position(|byte| *byte != b' ').map_or(&[][..], |at| &field[at..]);
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if !rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Err("is not an octal number".into());
    }
    let mut value = 0i64;
    for digit in digits {
        if *digit > b'7' {
            return Err("is not an octal number".into());
        }
        // Twelve digits at most: no overflow.
        value = value * 8 + i64::from(digit - b'0');
    }
    Ok(value)
}

fn base_256(field: &[u8]) -> Result<i64, Wrong> {
    let negative = field[0] & 0x40 != 0;
    let mut value: i128 = if negative { -1 } else { 0 };
    for (at, byte) in field.iter().enumerate() {
        // The top bit of the first byte is the mark, not part of the number.
        let byte = match (at, negative) {
            (0, true) => byte | 0x80,
            (0, false) => byte & 0x7f,
            _ => *byte,
        };
        value = value << 8 | i128::from(byte);
    }
    i64::try_from(value).map_err(|_| "is out of range".into())
}
