#include "experiments/published.h"

#include <algorithm>

#include "experiments/document.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& hint = {}) { throw Error(ErrorKind::data, what, hint); }

/// A list of words, or one as a list.
std::vector<std::string> words(const Json& table, const char* key) {
  const auto it = table.find(key);
  if (it == table.end()) return {};
  if (it->is_string()) return {it->get<std::string>()};
  return it->get<std::vector<std::string>>();
}

Json list(const Json& data, const char* key) {
  const Json out = data.value(key, Json::array());
  if (!out.is_array() || std::any_of(out.begin(), out.end(), [](const Json& t) { return !t.is_object(); }))
    refuse(std::string("'") + key + "' is a list of tables", std::string("write [[") + key + "]]");
  return out;
}

void only_keys(const Json& table, const std::vector<std::string>& known) {
  for (const auto& [key, value] : table.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest(key, known);
    refuse("unknown key '" + shortened(key) + "'", near.empty() ? "" : "did you mean '" + near + "'?");
  }
}

void merge(Json& into, const Json& more) {
  if (!more.is_object()) refuse("settings are a table");
  for (const auto& [key, value] : more.items()) into[key] = value;
}

FigureRow row_of(const Json& data, const Json& in, const FigureTable& table) {
  only_keys(in, {"name", "kinds", "settings", "figures", "series", "class_accuracy", "throughout", "needs"});
  FigureRow row;
  row.name = in.at("name").get<std::string>();
  if (table.named(row.name)) refuse("a second row '" + shortened(row.name) + "'");
  merge(row.settings, data.value("settings", Json::object()));
  const Json kinds = data.value("kinds", Json::object());
  for (const std::string& kind : words(in, "kinds")) {
    if (!kinds.contains(kind)) refuse("no [kinds." + shortened(kind) + "]");
    merge(row.settings, kinds[kind]);
  }
  merge(row.settings, in.value("settings", Json::object()));
  const Json figures = in.value("figures", Json::object()), series = in.value("series", Json::object());
  for (const auto& [column, text] : figures.items()) row.figures.emplace_back(column, printed(text.get<std::string>()));
  for (const auto& [column, text] : series.items()) row.series[column] = printed_series(text.get<std::string>());
  for (const Figure& f : printed_series(in.value("class_accuracy", ""))) row.class_accuracy.push_back(f.value);
  row.throughout = words(in, "throughout");
  row.needs = in.value("needs", "");
  row.runs = row.settings.value("runs", std::size_t{1});
  row.settings.erase("runs");
  return row;
}

Claim claim_of(const FigureTable& table, const Json& in) {
  only_keys(in, {"text", "metric", "beside", "rows", "vary", "from", "to", "equal", "discussed", "where", "direction", "growth_falls_with",
                 "printed_ratio", "says"});
  Claim c;
  c.text = in.at("text").get<std::string>();
  c.metrics = words(in, "metric");
  c.beside = in.value("beside", "");
  c.vary = in.value("vary", "");
  c.from = in.value("from", Json());
  c.to = in.value("to", Json());
  c.equal = words(in, "equal");
  c.discussed = words(in, "discussed");
  c.where = in.value("where", Json());
  c.direction = in.value("direction", "");
  c.growth_falls_with = in.value("growth_falls_with", "");
  c.printed_ratio = in.value("printed_ratio", "");
  c.share = in.value("says", "") == "share";
  if (const auto names = words(in, "rows"); !names.empty()) {
    if (names.size() != 2) refuse("'rows' names the reference and the row compared with it");
    for (const std::string& name : names)
      if (!table.named(name)) refuse("no row '" + shortened(name) + "'");
    c.pairs.emplace_back(table.named(names[0]) - table.rows.data(), table.named(names[1]) - table.rows.data());
  } else if (c.vary.empty()) {
    refuse("a claim needs 'rows', or 'vary', 'from' and 'to'");
  }
  if (!c.vary.empty()) c.pairs = pairs_of(c, table.rows);
  return c;
}

Order order_of(const Json& in) {
  only_keys(in, {"text", "metric", "along", "equal", "where", "direction", "slack", "slack_share", "cut", "needs_cores"});
  Order o;
  o.text = in.at("text").get<std::string>();
  o.metrics = words(in, "metric");
  o.along = in.at("along").get<std::string>();
  o.equal = words(in, "equal");
  o.where = in.value("where", Json());
  o.direction = in.at("direction").get<std::string>();
  if (o.direction != "falls" && o.direction != "rises" && o.direction != "stays") refuse("'direction' is falls, rises or stays");
  o.slack = in.value("slack", 0.0);
  o.slack_share = in.value("slack_share", 0.0);
  if (in.contains("cut")) {
    const auto cut = in.at("cut").get<std::array<double, 2>>();
    if (!(0 <= cut[0] && cut[0] <= cut[1] && cut[1] <= 1)) refuse("'cut' is two shares, the smaller first");
    o.cut_low = cut[0], o.cut_high = cut[1];
  }
  o.needs_cores = in.value("needs_cores", false);
  return o;
}

Tolerance tolerance_of(const Json& in) {
  only_keys(in, {"metric", "series", "from_epoch", "where", "ours", "within", "within_share", "between", "apart", "unscaled", "needs_cores"});
  Tolerance t;
  t.metrics = words(in, "metric");
  t.series = in.value("series", "");
  t.from_epoch = in.value("from_epoch", std::size_t{1});
  t.where = in.value("where", Json());
  t.ours = in.value("ours", Json());
  t.within = in.value("within", 0.0);
  t.within_share = in.value("within_share", 0.0);
  if (const auto band = in.value("between", std::vector<double>{}); band.size() == 2) t.low = band[0], t.high = band[1];
  t.apart = in.value("apart", 0.0);
  t.unscaled = in.value("unscaled", false);
  t.needs_cores = in.value("needs_cores", false);
  return t;
}

/// What the detectors of these names read: texts, lists of texts, numbers.
void check_extra(const Json& data) {
  const auto texts = [&](const char* key, std::initializer_list<const char*> names) {
    for (const Json& in : list(data, key))
      for (const char* name : names)
        if (!in.contains(name) || !in[name].is_string()) refuse(std::string("[[") + key + "]] needs a text '" + name + "'");
  };
  texts("link", {"across"});
  texts("break_even", {"one", "many"});
  if (data.contains("floor")) {
    only_keys(data.at("floor"), {"at_most", "equal"});
    if (!data.at("floor").value("at_most", Json()).is_number()) refuse("'floor' needs 'at_most', a number");
  }
  texts("idle", {"key", "because"});
  for (const Json& link : list(data, "link")) words(link, "within");
  const Json assume = data.value("assume", Json::object());
  if (assume.contains("link_gbits")) assume["link_gbits"].get<std::vector<double>>();
  for (const char* key : {"reference", "assume"})
    if (!data.value(key, Json::object()).is_object()) refuse(std::string("'") + key + "' is a table");
}

/// Each table of a list, its errors told with its place.
template <class F>
void each(const Json& data, const char* key, F&& f) {
  std::size_t number = 0;
  for (const Json& in : list(data, key)) {
    const std::string place = std::string(key) + " " + std::to_string(++number) + ": ";
    try {
      f(in);
    } catch (const Error& e) {
      throw Error(ErrorKind::data, place + e.what(), e.hint());
    } catch (const Json::exception& e) {
      throw Error(ErrorKind::data, place + "a value is missing or of the wrong type (" + e.what() + ")");
    }
  }
}

}  // namespace

FigureTable published_table(const Json& data) {
  FigureTable table;
  try {
    only_keys(data, {"title", "marks", "units", "settings", "kinds", "class_sizes", "row", "claim", "trend", "order", "tolerance", "match",
                     "repetitions", "reference", "assume", "link", "break_even", "idle", "floor"});
    table.title = data.value("title", "");
    table.marks = data.value("marks", "");
    table.units = data.value("units", std::map<std::string, std::string>{});
    table.class_sizes = data.value("class_sizes", std::vector<std::int64_t>{});
    table.repetition_keys = words(data.value("repetitions", Json::object()), "differ_only_in");
    const Json match = data.value("match", Json::object());
    for (const auto& [key, ours] : match.items()) table.match.emplace_back(key, ours.get<std::string>());
    each(data, "row", [&](const Json& in) { table.rows.push_back(row_of(data, in, table)); });
    each(data, "claim", [&](const Json& in) { table.claims.push_back(claim_of(table, in)); });
    each(data, "trend", [&](const Json& in) { table.trends.push_back(order_of(in)); });
    each(data, "order", [&](const Json& in) { table.orders.push_back(order_of(in)); });
    each(data, "tolerance", [&](const Json& in) { table.tolerances.push_back(tolerance_of(in)); });
    check_extra(data);
    for (const char* key : {"reference", "assume", "link", "break_even", "idle", "floor"})
      if (data.contains(key)) table.extra[key] = data[key];
  } catch (const Json::exception& e) {
    refuse(std::string("a value is of the wrong type (") + e.what() + ")");
  }
  return table;
}

FigureTable read_published(const std::string& place, const Json& data) {
  try {
    return published_table(data);
  } catch (const Error& e) {
    throw Error(ErrorKind::data, place + ": " + e.what(), e.hint().empty() ? "the files in experiments/published show the form" : e.hint());
  }
}

}  // namespace millrace
