#pragma once
#include <string>

#include "experiments/figures.h"
#include "experiments/findings.h"

namespace millrace {

/// What a published table says by itself, as a page of Markdown: its rows with the work that they stand for, everything that
/// its own figures say of one another, and what a re-run must show. Needs no run.
std::string published_page(const FigureTable& table);

/// The rows as they were printed, beside what their settings come to (ranks, batch, steps); Markdown.
std::string published_rows(const FigureTable& table);

/// Findings as a Markdown list.
std::string findings_text(const Findings& findings);

}  // namespace millrace
