//! Amounts as Kubernetes writes them: `500m`, `2`, `1.5`, `4Gi`.

/// Why a text is no amount, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuantityError(String);

/// Suffixes with their factors in thousandths, longest first so that `Mi` is not read as `M`.
const SUFFIXES: [(&str, u128); 12] = [
    ("Ki", 1024 * 1000),
    ("Mi", 1024_u128.pow(2) * 1000),
    ("Gi", 1024_u128.pow(3) * 1000),
    ("Ti", 1024_u128.pow(4) * 1000),
    ("Pi", 1024_u128.pow(5) * 1000),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("", 1000),
];

/// Parses an amount into thousandths, rounding up as Kubernetes does.
///
/// # Errors
/// A sentence with examples where `text` is no amount, or one past 2⁶³.
fn thousandths(text: &str) -> Result<u128, QuantityError> {
    let wrong = || QuantityError(format!("“{text}” is no quantity: write 500m, 2, 1.5, 512Mi or 4Gi"));
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (_, factor) = SUFFIXES.iter().find(|(known, _)| *known == suffix).ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || whole.len() > 19 || fraction.is_empty() || fraction.len() > 9 {
        return Err(wrong());
    }
    let whole: u128 = whole.parse().map_err(|_| wrong())?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let fraction: u128 = fraction.parse().map_err(|_| wrong())?;
    let sum = (whole * scale + fraction).checked_mul(*factor).ok_or_else(wrong)?.div_ceil(scale);
    if sum > u128::from(u64::MAX >> 1) * 1000 { Err(wrong()) } else { Ok(sum) }
}

/// Parses processor time into thousandths of a core: `500m` is 500, `2` is 2000.
///
/// # Errors
/// A sentence where `text` is no amount, or nothing at all, or more than 100,000 cores.
pub fn cpu_millicores(text: &str) -> Result<u64, QuantityError> {
    match thousandths(text)? {
        amount @ 1..=100_000_000 => u64::try_from(amount).map_err(|error| QuantityError(error.to_string())),
        _ => Err(QuantityError(format!("“{text}” must lie between 1m and 100000 cores"))),
    }
}

/// Parses memory or storage into bytes: `1Gi` is 1,073,741,824.
///
/// # Errors
/// A sentence where `text` is no amount, or less than `16Mi`, below which no program starts.
pub fn bytes(text: &str) -> Result<u64, QuantityError> {
    let bytes = thousandths(text)?.div_ceil(1000);
    if bytes < 16 * 1024 * 1024 {
        return Err(QuantityError(format!("“{text}” is too little: at least 16Mi is needed")));
    }
    u64::try_from(bytes).map_err(|error| QuantityError(error.to_string()))
}

/// Parses a number of GPUs, from 0 to 64.
///
/// # Errors
/// A sentence for anything else.
pub fn gpus(text: &str) -> Result<u32, QuantityError> {
    text.parse()
        .ok()
        .filter(|n| *n <= 64)
        .ok_or_else(|| QuantityError(format!("“{text}” is no number of GPUs: write 0 to 64")))
}

/// Processor time as a node or a metrics server says it, in thousandths of a core, rounded up: `2` is 2000, `156340210n`
/// is 157. `None` for what is no amount.
#[must_use]
pub fn millis(text: &str) -> Option<u64> {
    let mut smaller = [("n", 1_000_000), ("u", 1_000)].into_iter();
    if let Some((number, parts)) = smaller.find_map(|(unit, parts)| Some((text.strip_suffix(unit)?, parts))) {
        return number.parse::<u64>().ok().map(|number| number.div_ceil(parts));
    }
    u64::try_from(thousandths(text).ok()?).ok()
}

/// What is counted in whole ones (bytes, pods, GPUs) as a node says it, rounded up. `None` for what is no amount.
#[must_use]
pub fn whole(text: &str) -> Option<u64> {
    u64::try_from(thousandths(text).ok()?.div_ceil(1000)).ok()
}

/// Writes thousandths of a core as Kubernetes does: 500 is `500m`, 2000 is `2`.
#[must_use]
pub fn write_cpu(millicores: u64) -> String {
    if millicores.is_multiple_of(1000) { (millicores / 1000).to_string() } else { format!("{millicores}m") }
}

/// Writes bytes with the largest binary suffix that leaves a whole number: 1,073,741,824 is `1Gi`.
#[must_use]
pub fn write_bytes(bytes: u64) -> String {
    const SUFFIXES: [(&str, u32); 5] = [("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let fits = |shift: u32| bytes != 0 && bytes.trailing_zeros() >= shift;
    match SUFFIXES.iter().find(|(_, shift)| fits(*shift)) {
        Some((suffix, shift)) => format!("{}{suffix}", bytes >> shift),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        assert_eq!(cpu_millicores("500m"), Ok(500));
        assert_eq!(cpu_millicores("2"), Ok(2000));
        assert_eq!(cpu_millicores("1.5"), Ok(1500));
        assert_eq!(bytes("1Gi"), Ok(1 << 30));
        assert_eq!(bytes("1.5Gi"), Ok(3 << 29));
        assert_eq!(bytes("512M"), Ok(512_000_000));
        assert_eq!(bytes("64000000"), Ok(64_000_000));
    }

    #[test]
    fn what_is_written_is_read_as_the_same_amount() {
        for (millicores, text) in [(1, "1m"), (500, "500m"), (2000, "2"), (2500, "2500m")] {
            assert_eq!((write_cpu(millicores).as_str(), cpu_millicores(text)), (text, Ok(millicores)));
        }
        for (amount, text) in [(1 << 30, "1Gi"), (3 << 29, "1536Mi"), (5 << 40, "5Ti"), (64_000_000, "62500Ki")] {
            assert_eq!((write_bytes(amount).as_str(), bytes(text)), (text, Ok(amount)));
        }
        assert_eq!(write_bytes(0), "0");
    }

    #[test]
    fn impossible_amounts_are_refused() {
        for text in
            ["", "Gi", "-1", "1e3", "0x10", "1 Gi", ".5", "5.", "1KiB", "99999999999999999999", "9999999999999999999Pi"]
        {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert!(cpu_millicores("0").is_err());
        assert!(cpu_millicores("1000000").is_err());
        assert!(bytes("1Ki").is_err());
        assert!(gpus("65").is_err());
        assert!(gpus("0.5").is_err());
    }

    #[test]
    fn what_a_node_says_is_read_also_where_it_is_little() {
        assert_eq!((whole("24608384Ki"), whole("110"), whole("0")), (Some(24_608_384 << 10), Some(110), Some(0)));
        assert_eq!((millis("1930m"), millis("156340210n"), millis("1500u")), (Some(1930), Some(157), Some(2)));
        assert_eq!((millis("lots"), millis("1.5n"), whole("0x10")), (None, None, None));
    }
}
