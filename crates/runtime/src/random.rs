//! Randomness from the system. Everything random in Cairn is an identifier, a key or a nonce, so there
//! is no generator to seed.

/// 128 random bits.
///
/// Panics: when the system has no randomness to give, in which case no identifier would be safe.
pub fn u128() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    u128::from_ne_bytes(bytes)
}

/// `N` random bytes, fit for keys and nonces. Panics as `u128` does.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// 64 random bits. Panics as `u128` does.
pub fn u64() -> u64 {
    getrandom::u64().expect("the system gives random bytes")
}

/// 32 random bits. Panics as `u128` does.
pub fn u32() -> u32 {
    getrandom::u32().expect("the system gives random bytes")
}

/// A random number below `bound`; 0 for a bound of 0. Its bias is below 2⁻³² for bounds below 2³².
pub fn below(bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
    usize::try_from(u64() % bound).expect("smaller than a usize")
}
