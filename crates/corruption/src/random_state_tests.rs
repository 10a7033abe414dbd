//! The literals were printed by NumPy 2.4.6; `hash` is FNV-1a over the little-endian bytes.

use proptest::prelude::*;

use super::*;

fn hash(values: &[f64]) -> u64 {
    values.iter().flat_map(|value| value.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The first values are NumPy's within the last bits anywhere, and all bits are where the C
/// library is the one that NumPy's wheels use.
fn check(values: &[f64], first: &[f64], all: u64) {
    for (value, expected) in values.iter().zip(first) {
        let error = (value - expected).abs();
        assert!(error <= 1e-13 * expected.abs(), "{value} instead of {expected}");
    }
    if cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")) {
        assert_eq!(hash(values), all, "starts with {:?}", &values[..first.len()]);
    }
}

fn chisquare(df: f64) -> Vec<f64> {
    RandomState::new(2).chisquare(df, 1000).expect("valid degrees")
}

#[test]
fn the_twister_is_seeded_by_init_genrand() {
    let mut random = RandomState::new(5489);
    let words: Vec<u32> = repeat_with(|| random.twister.next_u32()).take(5).collect();
    assert_eq!(words, [3_499_211_612, 581_869_302, 3_890_346_734, 3_586_334_585, 545_404_204]);
}

#[test]
fn random_sample_is_numpys() {
    let mut random = RandomState::new(1);
    let values: Vec<f64> = repeat_with(|| random.random_sample()).take(1000).collect();
    let first = [0.417022004702574, 0.7203244934421581, 0.00011437481734488664];
    check(&values, &first, 0x36ae_3102_8c91_abf3);
}

#[test]
fn randn_is_numpys_for_several_seeds() {
    let cases: [(u32, [f64; 3], u64); 5] = [
        (0, [1.764052345967664, 0.4001572083672233, 0.9787379841057392], 0xc2b3_1576_7e73_c242),
        (1, [1.6243453636632417, -0.6117564136500754, -0.5281717522634557], 0xc905_5182_03f7_6893),
        (
            2,
            [-0.4167578474054706, -0.056266827226329474, -2.136196095668454],
            0xa9db_e4e5_b6bb_ea53,
        ),
        (42, [0.4967141530112327, -0.13826430117118466, 0.6476885381006925], 0x9ed2_0f80_9ecb_3f07),
        (
            u32::MAX,
            [0.6484086742306527, 0.6693235306338161, -1.0805437227474493],
            0x105a_2bdf_74de_1a9b,
        ),
    ];
    for (seed, first, all) in cases {
        check(&RandomState::new(seed).randn(5001), &first, all);
    }
}

#[test]
fn randn_fills_romes_shape_for_gpt2() {
    let values = RandomState::new(1).randn(10 * 3 * 768);
    check(&values, &[1.6243453636632417], 0x9f93_62c2_245f_3373);
}

#[test]
fn uniform_is_numpys() {
    let first = [-0.165955990594852, 0.4406489868843162, -0.9997712503653102];
    check(&RandomState::new(1).uniform(-1.0, 1.0, 1000), &first, 0x0e7b_e4a2_5f4d_1859);
    let first = [-0.08633678975291992, 1.8837726182723207, 0.9275458480345016];
    check(&RandomState::new(7).uniform(-0.3, 2.5, 1000), &first, 0x47a7_bfe7_82ee_d216);
}

#[test]
fn chisquare_is_numpys_in_every_branch() {
    let cases: [(f64, [f64; 2], u64); 9] = [
        (3.0, [1.5438607459046478, 2.2138815149120945], 0x67ef_2911_65f6_a02a),
        (0.5, [0.18256367142129576, 0.06245220429294413], 0xfdcb_39e1_31f1_9c78),
        (1.0, [0.6100824519071946, 0.3534181780637327], 0x2fab_f8b3_9f9b_aefc),
        (2.0, [1.14538397753923, 0.052536481729004665], 0xc5a2_0521_97f4_68c9),
        (1.5, [1.085999065164185, 0.6759390059618609], 0x44db_25dc_0b42_ef14),
        (5.0, [3.218580168755673, 4.169789951778754], 0xf82e_f355_7b2a_ebc4),
        (2.5, [1.1454939071722279, 1.7276874170801895], 0x9f2b_8fa1_83f6_d319),
        (0.01, [1.5751149738273795e-72, 2.090490804264624e-52], 0x72c0_4097_c8c9_37a6),
        (100.0, [93.57419691630511, 98.54236587565462], 0xc52c_ddd4_3bf6_4686),
    ];
    for (df, first, all) in cases {
        check(&chisquare(df), &first, all);
    }
}

#[test]
fn calls_of_different_kinds_share_one_state_as_in_numpy() {
    let mut random = RandomState::new(9);
    let mut values = random.randn(1);
    values.extend(random.chisquare(3.0, 2).expect("valid degrees"));
    values.extend(random.uniform(0.0, 1.0, 1));
    values.extend(random.randn(2));
    values.extend(random.chisquare(2.0, 1).expect("valid degrees"));
    values.extend(random.chisquare(1.0, 1).expect("valid degrees"));
    values.extend(random.randn(2));
    check(&values, &[0.0011085547122109732, 1.7620724641349677], 0x20b8_5131_f3f6_96a7);
}

#[test]
fn degrees_of_freedom_that_would_never_end_are_refused() {
    for df in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(RandomState::new(1).chisquare(df, 1).is_err());
    }
}

/// MT19937 as Matsumoto and Nishimura describe it: the recurrence over the whole sequence, with
/// no state array that is overwritten.
fn slow_words(seed: u32, n: usize) -> Vec<u32> {
    let mut x = vec![seed];
    for i in 1..624u32 {
        let last = x[x.len() - 1];
        x.push(1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i));
    }
    for k in 0..n {
        let y = (x[k] & 0x8000_0000) | (x[k + 1] & 0x7fff_ffff);
        x.push(x[k + 397] ^ (y >> 1) ^ if y % 2 == 1 { 0x9908_b0df } else { 0 });
    }
    let temper = |mut y: u32| {
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    };
    x[624..].iter().copied().map(temper).collect()
}

proptest! {
    #[test]
    fn the_twister_follows_the_recurrence(seed: u32, n in 1usize..2000) {
        let mut random = RandomState::new(seed);
        let words: Vec<u32> = repeat_with(|| random.twister.next_u32()).take(n).collect();
        prop_assert_eq!(words, slow_words(seed, n));
    }

    #[test]
    fn two_draws_are_one(seed: u32, first in 0usize..50, second in 0usize..50) {
        let mut random = RandomState::new(seed);
        let mut parts = random.randn(first);
        parts.extend(random.randn(second));
        prop_assert_eq!(parts, RandomState::new(seed).randn(first + second));

        let mut random = RandomState::new(seed);
        let mut parts = random.chisquare(3.0, first).expect("valid degrees");
        parts.extend(random.chisquare(3.0, second).expect("valid degrees"));
        let whole = RandomState::new(seed).chisquare(3.0, first + second).expect("valid degrees");
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn a_uniform_draw_leaves_the_kept_normal_alone(seed: u32, n in 0usize..20) {
        let mut random = RandomState::new(seed);
        let first = random.randn(1);
        random.uniform(-1.0, 1.0, n);
        let second = random.randn(1);
        prop_assert_eq!([first, second].concat(), RandomState::new(seed).randn(2));
    }

    #[test]
    fn uniform_stays_in_its_interval(seed: u32, low in -5.0..5.0f64, width in 0.1..5.0f64) {
        for value in RandomState::new(seed).uniform(low, low + width, 100) {
            prop_assert!((low..=low + width).contains(&value));
        }
    }
}
