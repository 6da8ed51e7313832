#pragma once
#include <string>

#include "experiments/json.h"
#include "pipeline/loader.h"

namespace millrace {

/// What happened between two reports of the same loader.
LoaderReport difference(const LoaderReport& after, const LoaderReport& before);
/// Of the rows that a window's batches have in full, the share that was delivered: bad samples that were left out are no images.
double delivered_share(const LoaderReport& window, double rows_a_batch);

/// Adds what happened in another window (of the same loader or of one made alike): counts, times, histograms.
void add_window(LoaderReport& sum, const LoaderReport& window);

/// What a consumer without a trainer does with a batch: it reads one element of every 4 KiB page, as a copy would.
std::uint64_t read_pages(const Batch& batch);

/// stages: {name: {messages, images, busy_seconds, us_per_image, p50_us, p95_us, p99_us}}, queue: {...}, and the counts.
Json to_json(const LoaderReport& report);

/// The stages' clocks as a table for the terminal.
std::string stage_table(const LoaderReport& report);

/// A quantile of the time a message takes, in microseconds: the upper edge of its bucket (a quarter wide at most).
double quantile_us(const StageStats& stats, double q);

/// Sum of the stages' busy time, each second once (`read` lies inside `decode`), and of their messages.
double busy_seconds(const LoaderReport& report);
std::uint64_t messages(const LoaderReport& report);

}  // namespace millrace
