//! Code about the code: the layers, sizes, names and habits that `src/README.md` promises, read
//! from the sources themselves.
//!
//! Each rule is a function from a [`repo::Repo`] to a list of findings. One test runs it over this
//! repository, its neighbours feed it bad and good snippets and see it fail and pass. What clippy
//! can express stands in `.clippy.toml` instead; what needs types (a clock behind two re-exports)
//! is clippy's as well. Not checked here: behaviour of any kind.

#[path = "tidy/anatomy.rs"]
mod anatomy;
#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/privacy.rs"]
mod privacy;
#[path = "tidy/purity.rs"]
mod purity;
#[path = "tidy/repo.rs"]
mod repo;
#[path = "tidy/scenarios.rs"]
mod scenarios;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/sim.rs"]
mod sim;
#[path = "tidy/size.rs"]
mod size;
#[path = "tidy/unsafety.rs"]
mod unsafety;
#[path = "tidy/words.rs"]
mod words;
