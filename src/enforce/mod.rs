//! What a decision does to bytes: block, annotate, hold back.
