#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/json.h"

namespace millrace {

/// One figure of a table: a value and what it leaves open. A printed one hides what rounds to its digits; a measured one has
/// the range of its repetitions. Detectors ask for no more, so that they run on either.
struct Figure {
  double value = 0;
  double low = 0, high = 0;    ///< Both ends included.
  std::string text;            ///< As printed, without its mark; or as measured.
  std::string mark;            ///< "c": read behind the source, "i": inferred; empty: stated, or measured.
  bool at_least = false;       ///< ">.85"
  std::size_t digits() const;  ///< Significant digits of the text.
};

/// ".9173", "302.0 [i]", ">.85", "40-60". Errors: Error(data) for what is no figure.
Figure printed(std::string_view text);
/// ".8077 .9035 [c]": one figure an epoch; a mark at the end holds for all. Errors: as printed().
std::vector<Figure> printed_series(std::string_view text);
Figure measured(double value, double low, double high);

/// What stands behind an accuracy. 0 and empty: not said.
struct Basis {
  double scored = 0;                       ///< Images.
  double test_set = 0;                     ///< Images that the test set has,
  double left_out = 0;                     ///< and those of them that could not be read.
  std::vector<std::int64_t> of_class;      ///< Scored of each class,
  std::vector<std::int64_t> class_sizes;   ///< and what the test set has of each.
};

/// One row: the settings it was run with, its figures by column, and its series by column, an epoch each.
/// Names that detectors know: figures load update other (s a step), t_batch t_epoch wall total (s), images_per_second, accuracy and
/// accuracy_N (a share, or % where the unit says so), cumulative, utilisation; series seconds images_per_second accuracy loss.
struct FigureRow {
  std::string name;
  Json settings = Json::object();  ///< A list: not said which of these.
  std::vector<std::pair<std::string, Figure>> figures;
  std::map<std::string, std::vector<Figure>> series;
  std::vector<double> class_accuracy;   ///< In the unit of `accuracy`.
  Basis basis;                          ///< Of the accuracy and of those of classes.
  std::vector<std::string> throughout;  ///< Columns that held in every epoch, as the source says.
  std::string needs;                    ///< "8 GPUs": what a re-run must have; empty: any machine.
  std::size_t runs = 1;

  const Figure* find(std::string_view column) const;
};

/// What a source says of its rows, by pairs of them (indices into rows: reference, compared).
struct Claim {
  std::string text;
  std::vector<std::string> metrics;
  std::string beside;  ///< A column that the same ratio is taken of too.
  std::string vary;    ///< Where the pairs are a family: the setting in which they differ, and those in which they agree.
  Json from, to;
  std::vector<std::string> equal, discussed;
  Json where;
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  std::string direction;          ///< falls, rises: what the source says of the metric from reference to compared.
  std::string growth_falls_with;  ///< A setting along which the ratio is said to shrink.
  std::string printed_ratio;
  bool share = false;  ///< The difference is told as a share of the reference.
};

/// "The metric falls (rises, stays) along a setting, among rows that agree in `equal`": of a source, or what a re-run must show.
struct Order {
  std::string text;
  std::vector<std::string> metrics;
  std::string along, direction;
  std::vector<std::string> equal;
  Json where;
  double slack = 0, slack_share = 0;  ///< In the metric's unit; as a share of it.
  double cut_low = 0, cut_high = 0;   ///< Where set: the smaller figure of a pair is this share below the larger one.
  bool needs_cores = false;           ///< Not to be judged where ranks and workers share cores.
};

/// How far a measured figure may lie from the published one.
struct Tolerance {
  std::vector<std::string> metrics;
  std::string series;  ///< In place of metrics.
  std::size_t from_epoch = 1;
  Json where;
  Json ours;  ///< Settings that our row must have for it to be judged ("throttled").
  double within = 0;
  double within_share = 0;   ///< Of the published figure.
  double low = 0, high = 0;  ///< Where high > low: the band for every row, whatever is published.
  double apart = 0;          ///< Not 0: the most that rows may differ among one another.
  bool unscaled = false;     ///< Judged only where the study is not scaled down.
  bool needs_cores = false;  ///< Not to be judged where ranks and workers share cores.
};

struct FigureTable {
  std::string title, marks;
  std::map<std::string, std::string> units;
  std::vector<FigureRow> rows;
  std::vector<std::int64_t> class_sizes;
  std::vector<Claim> claims;
  std::vector<Order> trends;  ///< Of the source.
  std::vector<Order> orders;  ///< What a re-run must show.
  std::vector<Tolerance> tolerances;
  std::vector<std::string> repetition_keys;                ///< Rows that differ in these alone are repetitions.
  std::vector<std::pair<std::string, std::string>> match;  ///< A row's setting, and our key for it.
  Json extra = Json::object();                             ///< reference, assume, link, break_even, idle, floor: for the detectors of those names.

  bool in_percent(const std::string& column) const;
  const FigureRow* named(std::string_view name) const;
};

/// The pairs of rows that a family of claims (vary, from, to, equal, where) compares.
std::vector<std::pair<std::size_t, std::size_t>> pairs_of(const Claim& claim, const std::vector<FigureRow>& rows);

/// A row's setting, or one worked out of others: global_batch, all_workers. Null where it has none.
Json setting(const FigureRow& row, const std::string& key);
/// Whether a row has these settings; a list on either side holds any of its values.
bool has_settings(const FigureRow& row, const Json& where);
/// Whether two rows can agree in a setting (lists: they have a value in common; neither has it: yes).
bool agree(const FigureRow& a, const FigureRow& b, const std::string& key);

}  // namespace millrace
