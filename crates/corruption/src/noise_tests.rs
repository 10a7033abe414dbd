use proptest::prelude::*;

use super::*;
use crate::EmbeddingMoments;

fn draw(noise: &Noise, shape: [usize; 3]) -> Result<NoiseArray, CorruptionError> {
    NoiseStream::new(noise, ROME_SEED)?.draw(shape[0], shape[1], shape[2])
}

/// The moments of four rows of width 3.
fn transform() -> GaussianTransform {
    let rows: Vec<[f32; 3]> =
        vec![[0.5, 0.0, 1.0], [1.0, 2.0, -1.0], [0.0, 1.0, 0.5], [-0.5, 3.0, 2.0]];
    let moments = EmbeddingMoments::of_rows(3, rows.iter().map(|row| row.as_slice()));
    GaussianTransform::new(&moments.expect("moments")).expect("a transform")
}

#[test]
fn gaussian_noise_is_the_deviation_times_randn() {
    let std = 0.2083209604024887;
    let noise = draw(&Noise::Gaussian { std }, [10, 3, 64]).expect("noise");
    let randn = RandomState::new(1).randn(10 * 3 * 64);
    assert_eq!(noise.shape, [10, 3, 64]);
    assert_eq!(noise.values, randn.iter().map(|x| std * x).collect::<Vec<_>>());
}

#[test]
fn uniform_noise_is_the_half_width_times_uniform() {
    let noise = draw(&Noise::Uniform { half_width: 0.3 }, [2, 3, 5]).expect("noise");
    let uniform = RandomState::new(1).uniform(-1.0, 1.0, 30);
    assert_eq!(noise.values, uniform.iter().map(|x| 0.3 * x).collect::<Vec<_>>());
}

#[test]
fn student_noise_scales_the_rows_of_the_normal_noise_in_order() {
    let normal = draw(&Noise::Multivariate { transform: transform() }, [2, 2, 3]).expect("noise");
    let noise = Noise::Student { transform: transform(), degrees: 3.0 };
    let student = draw(&noise, [2, 2, 3]).expect("noise");
    // NumPy: numpy.sqrt((3 - 2) / numpy.random.RandomState(2).chisquare(3, 4))
    let factors = [0.804814769106593, 0.6720828493888565, 2.1939673234631725, 1.0279230281847398];
    for (i, value) in student.values.iter().enumerate() {
        let expected = factors[i / 3] * normal.values[i];
        assert!((value - expected).abs() <= 1e-12 * expected.abs(), "{value} {expected}");
    }
}

#[test]
fn student_noise_has_a_thousand_rows_and_says_so() {
    let noise = Noise::Student { transform: transform(), degrees: 3.0 };
    assert_eq!(draw(&noise, [250, 4, 3]).expect("noise").values.len(), 3000);
    let message = draw(&noise, [251, 4, 3]).expect_err("too many rows").to_string();
    assert!(message.contains("251") && message.contains("fewer samples"), "{message}");
    assert!(draw(&noise, [usize::MAX, 2, 3]).is_err());
}

#[test]
fn degrees_without_a_covariance_are_refused() {
    for degrees in [2.0, -1.0, f64::NAN, f64::INFINITY] {
        let noise = Noise::Student { transform: transform(), degrees };
        assert!(NoiseStream::new(&noise, 1).is_err());
    }
}

#[test]
fn statistics_of_another_width_are_refused() {
    let noise = Noise::Multivariate { transform: transform() };
    assert_eq!(draw(&noise, [1, 1, 4]), Err(CorruptionError::Width { given: 4, expected: 3 }));
}

#[test]
fn noise_beyond_memory_is_an_error_and_not_an_abort() {
    let noise = Noise::Gaussian { std: 1.0 };
    for samples in [usize::MAX, usize::MAX / 2, usize::MAX / 64] {
        assert!(matches!(draw(&noise, [samples, 4, 8]), Err(CorruptionError::TooLarge { .. })));
    }
}

#[test]
fn no_samples_and_no_tokens_are_an_empty_array() {
    for noise in [Noise::Gaussian { std: 1.0 }, Noise::Multivariate { transform: transform() }] {
        assert!(draw(&noise, [0, 3, 3]).expect("noise").values.is_empty());
        assert!(draw(&noise, [3, 0, 3]).expect("noise").values.is_empty());
    }
}

#[test]
fn a_refused_draw_leaves_the_stream_where_it_was() {
    let noise = Noise::Multivariate { transform: transform() };
    let mut stream = NoiseStream::new(&noise, 1).expect("a stream");
    assert!(stream.draw(1, 1, 4).is_err());
    assert_eq!(stream.draw(1, 1, 3), draw(&noise, [1, 1, 3]));
}

proptest! {
    #[test]
    fn a_second_draw_goes_on_in_the_stream(
        seed: u32, samples in 1usize..5, tokens in 1usize..4, d_model in 1usize..9,
    ) {
        let noise = Noise::Gaussian { std: 0.5 };
        let mut stream = NoiseStream::new(&noise, seed).expect("a stream");
        let mut parts = stream.draw(samples, tokens, d_model).expect("noise").values;
        parts.extend(stream.draw(samples, tokens, d_model).expect("noise").values);
        let mut stream = NoiseStream::new(&noise, seed).expect("a stream");
        prop_assert_eq!(parts, stream.draw(2 * samples, tokens, d_model).expect("noise").values);
    }
}
