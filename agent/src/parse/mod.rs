//! `&[u8]` → facts, and the lines that were not understood. Pure; no parser panics on any bytes.
