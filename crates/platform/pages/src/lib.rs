//! The shell of rdev's pages for browsers: layout, navigation, sign-in, sessions, security headers and forms.
//!
//! A domain builds a [`Shell`] with its [`Section`]s and passes it the routes of its pages. Every handler takes a
//! [`View`], which has the caller and renders the page. Every page works without its script.
//!
//! Templates are askama's. Those of every crate use the escaper [`Visible`] by their `askama.toml`, so that what
//! others have written stays text.

extern crate self as rdev_pages;

mod assets;
mod badge;
mod base;
#[cfg(feature = "testing")]
pub mod browser;
mod compression;
mod conflict;
mod cookie;
mod form;
mod frame;
mod input;
mod link;
mod live;
mod once;
mod pager;
mod pages;
mod security;
mod session;
mod shell;
mod sign_in;
mod site;
pub mod span;
mod text;
mod time;
mod token;
mod view;

pub use badge::{Badge, Icon, Tone};
pub use conflict::{CONFLICT, Conflict, Difference};
pub use form::{Form, FormFaults, PageQuery};
pub use input::Input;
pub use link::SignInLink;
pub use live::Live;
pub use pager::Pager;
pub use pages::Pages;
pub use security::Hosts;
pub use session::Session;
pub use shell::Shell;
pub use site::Section;
pub use text::Visible;
pub use time::{Moment, duration};
pub use view::{Notice, View};
