"""What is made from a run: report, cards, memo, exports, manifest."""
