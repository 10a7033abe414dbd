//! Colour maps, interpolated as matplotlib interpolates them.

use crate::cividis::CIVIDIS;

/// A colour of the screen: red, green, blue.
pub type Rgb = (u8, u8, u8);

/// How a heatmap's values become colours, from its lowest value to its highest.
///
/// All but the last are ColorBrewer's (by Cynthia Brewer, Apache-2.0); ROME's figures use the first three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colormap {
    /// White to purple: hidden states.
    Purples,
    /// White to green: MLP.
    Greens,
    /// White to red: attention.
    Reds,
    /// Red over white to blue: values with a sign, zero in the middle.
    RedBlue,
    /// Blue to yellow, ever lighter: cividis, for readers who don't see colours as most do.
    Cividis,
}

impl Colormap {
    /// The colour of a fraction of the way from low to high; fractions outside 0 … 1 are clamped, NaN is
    /// as low as can be.
    pub fn rgb(self, fraction: f64) -> Rgb {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        // matplotlib looks colours up in a table of 256: the same steps give the same colours.
        let entry = (fraction * 256.0).floor().min(255.0);
        let anchors = self.anchors();
        let Some(steps) = anchors.len().checked_sub(1) else {
            let color = &CIVIDIS[3 * entry as usize..];
            return (color[0], color[1], color[2]);
        };
        let along = entry / 255.0 * steps as f64;
        let below = (along as usize).min(steps - 1);
        let (from, to) = (anchors[below], anchors[below + 1]);
        let mix = |a: u8, b: u8| {
            let share = along - below as f64;
            (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8
        };
        (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
    }

    /// What a map is interpolated from; none where it is a table.
    fn anchors(self) -> &'static [Rgb] {
        match self {
            Self::Purples => &PURPLES,
            Self::Greens => &GREENS,
            Self::Reds => &REDS,
            Self::RedBlue => &RED_BLUE,
            Self::Cividis => &[],
        }
    }

    /// True where the middle means zero and the two ends opposite signs.
    pub(crate) fn is_diverging(self) -> bool {
        self == Self::RedBlue
    }
}

const PURPLES: [Rgb; 9] = [
    (252, 251, 253),
    (239, 237, 245),
    (218, 218, 235),
    (188, 189, 220),
    (158, 154, 200),
    (128, 125, 186),
    (106, 81, 163),
    (84, 39, 143),
    (63, 0, 125),
];

const GREENS: [Rgb; 9] = [
    (247, 252, 245),
    (229, 245, 224),
    (199, 233, 192),
    (161, 217, 155),
    (116, 196, 118),
    (65, 171, 93),
    (35, 139, 69),
    (0, 109, 44),
    (0, 68, 27),
];

const REDS: [Rgb; 9] = [
    (255, 245, 240),
    (254, 224, 210),
    (252, 187, 161),
    (252, 146, 114),
    (251, 106, 74),
    (239, 59, 44),
    (203, 24, 29),
    (165, 15, 21),
    (103, 0, 13),
];

const RED_BLUE: [Rgb; 11] = [
    (103, 0, 31),
    (178, 24, 43),
    (214, 96, 77),
    (244, 165, 130),
    (253, 219, 199),
    (247, 247, 247),
    (209, 229, 240),
    (146, 197, 222),
    (67, 147, 195),
    (33, 102, 172),
    (5, 48, 97),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference was printed by matplotlib 3.10, `colormaps[name](x, bytes=True)`, which
    /// cuts decimals off where this crate rounds: hence a tolerance of 1.
    #[track_caller]
    fn check(map: Colormap, expected: [Rgb; 6]) {
        for (x, want) in [0.0, 0.1, 0.37, 0.5, 0.9, 1.0].into_iter().zip(expected) {
            let got = map.rgb(x);
            let off =
                got.0.abs_diff(want.0).max(got.1.abs_diff(want.1)).max(got.2.abs_diff(want.2));
            assert!(off <= 1, "{map:?} at {x}: {got:?}, matplotlib {want:?}");
        }
    }

    #[test]
    fn colours_are_those_of_matplotlib() {
        check(
            Colormap::Purples,
            [
                (252, 251, 253),
                (241, 240, 246),
                (189, 190, 220),
                (157, 153, 199),
                (79, 30, 139),
                (63, 0, 125),
            ],
        );
        check(
            Colormap::Greens,
            [
                (247, 252, 245),
                (232, 246, 228),
                (162, 217, 156),
                (115, 195, 117),
                (0, 100, 40),
                (0, 68, 27),
            ],
        );
        check(
            Colormap::Reds,
            [
                (255, 245, 240),
                (254, 228, 216),
                (252, 148, 116),
                (250, 105, 73),
                (151, 11, 19),
                (103, 0, 12),
            ],
        );
        check(
            Colormap::Cividis,
            [
                (0, 34, 77),
                (8, 51, 112),
                (95, 99, 110),
                (124, 123, 120),
                (228, 206, 81),
                (253, 231, 55),
            ],
        );
    }

    #[test]
    fn a_diverging_map_is_white_in_the_middle_and_dark_at_its_ends() {
        let middle = Colormap::RedBlue.rgb(0.5);
        assert!([middle.0, middle.1, middle.2].iter().all(|part| *part >= 245), "{middle:?}");
        assert_eq!(Colormap::RedBlue.rgb(0.0), (103, 0, 31));
        assert_eq!(Colormap::RedBlue.rgb(1.0), (5, 48, 97));
    }

    #[test]
    fn fractions_outside_the_scale_get_its_end_colours() {
        assert_eq!(Colormap::Reds.rgb(-3.0), Colormap::Reds.rgb(0.0));
        assert_eq!(Colormap::Reds.rgb(7.0), Colormap::Reds.rgb(1.0));
    }
}
