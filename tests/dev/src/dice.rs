//! Random numbers that a printed seed brings back.

/// Dice of one test: `CAIRN_TEST_SEED`, or a seed that is new each time.
#[derive(Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice of this run, whose seed is printed: libtest shows it when the test fails.
    ///
    /// # Panics
    /// When the clock of this machine is before 1970.
    pub fn of_this_run(test: &str) -> Self {
        let given = std::env::var("CAIRN_TEST_SEED").ok();
        let seed = given
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(fresh_seed);
        println!("{test}: CAIRN_TEST_SEED={seed}");
        Self::of_seed(seed)
    }

    /// Dice whose throws follow from a seed.
    pub fn of_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Other dice, whose throws follow from the seed as well.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self { state: self.next() }
    }

    /// A number below `limit`.
    ///
    /// # Panics
    /// When `limit` is zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn choose<'a, Choice>(&mut self, choices: &'a [Choice]) -> &'a Choice {
        let count = u64::try_from(choices.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(self.below(count)).expect("below the number of choices");
        choices.get(index).expect("below the number of choices")
    }

    /// `count` different ones of `choices`, or all of them.
    pub fn choose_some<Choice: Clone>(&mut self, choices: &[Choice], count: usize) -> Vec<Choice> {
        let mut left = choices.to_vec();
        let mut chosen = Vec::new();
        while chosen.len() < count && !left.is_empty() {
            let len = u64::try_from(left.len()).unwrap_or(u64::MAX);
            let index = usize::try_from(self.below(len)).expect("below the number that is left");
            chosen.push(left.swap_remove(index));
        }
        chosen
    }

    fn next(&mut self) -> u64 {
        // SplitMix64 again: good enough to choose moments and offsets.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A seed that is new each time.
///
/// # Panics
/// When the clock of this machine is before 1970.
pub fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    let nanos = since.expect("a clock after 1970").subsec_nanos();
    u64::from(nanos) << 16 | u64::from(std::process::id() & 0xffff)
}
