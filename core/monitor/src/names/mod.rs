//! Names of containers: what DNS messages are ([`packet`]), and where it is written who has which name ([`table`]).
//!
//! The library writes the tables, a container's monitor answers from them ([`crate::monitor`]).

pub mod packet;
pub mod table;
