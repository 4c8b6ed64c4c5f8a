//! States as an icon and a word.

use std::fmt;

/// A state: an icon and a word, with a tone that is never its only sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badge {
    /// The tone.
    pub tone: Tone,
    /// The icon.
    pub icon: Icon,
    /// The word.
    pub word: &'static str,
}

/// The tone of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    Plain,
    /// Well.
    Good,
    /// Wrong.
    Bad,
    /// To be watched.
    Warm,
    /// In progress.
    Calm,
}

/// An icon of the layout's sprite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// A tick.
    Ok,
    /// A cross.
    No,
    /// A turning arrow.
    Again,
    /// A clock.
    Wait,
    /// An arrow.
    Go,
    /// A crossed circle.
    Off,
    /// A triangle.
    Warn,
}

impl Icon {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::No => "no",
            Self::Again => "again",
            Self::Wait => "wait",
            Self::Go => "go",
            Self::Off => "off",
            Self::Warn => "warn",
        }
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r##"<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>"##, self.name())
    }
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tone = match self.tone {
            Tone::Plain => "",
            Tone::Good => " good",
            Tone::Bad => " bad",
            Tone::Warm => " warm",
            Tone::Calm => " calm",
        };
        write!(f, r#"<span class="badge{tone}">{}{}</span>"#, self.icon, self.word)
    }
}
