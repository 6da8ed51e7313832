#include "datasets/class_order.h"

#include <algorithm>
#include <map>
#include <utility>

namespace millrace {
namespace {

class Renumbered final : public Source {
 public:
  Renumbered(std::unique_ptr<Source> inner, const SourceInfo& reference, std::vector<std::int64_t> numbers)
      : inner_(std::move(inner)), info_(inner_->info()), numbers_(std::move(numbers)) {
    info_.classes = reference.classes;
    info_.class_sizes.clear();
    const std::vector<std::uint64_t>& sizes = inner_->info().class_sizes;
    if (sizes.empty()) return;
    info_.class_sizes.resize(info_.classes.size());
    for (std::size_t c = 0; c < sizes.size(); ++c) info_.class_sizes[static_cast<std::size_t>(numbers_[c])] = sizes[c];
  }
  const SourceInfo& info() const override { return info_; }
  std::uint64_t size() const override { return inner_->size(); }
  std::string origin(std::uint64_t index) const override { return inner_->origin(index); }
  Expected<Sample> read(std::uint64_t index, Buffer& scratch) const override { return renumbered(inner_->read(index, scratch)); }
  Expected<Sample> read_head(std::uint64_t index, Buffer& scratch, std::uint64_t most) const override {
    return renumbered(inner_->read_head(index, scratch, most));
  }

 private:
  Expected<Sample> renumbered(Expected<Sample> sample) const {
    if (sample) sample->label = numbers_.at(static_cast<std::size_t>(sample->label));
    return sample;
  }

  const std::unique_ptr<Source> inner_;
  SourceInfo info_;
  const std::vector<std::int64_t> numbers_;  ///< Of the reference, by the source's own.
};

std::string place_of(const SourceInfo& info) { return info.path.empty() ? "the set " + info.name : info.path; }

std::map<std::string, std::int64_t> numbers_by_name(const SourceInfo& info) {
  std::map<std::string, std::int64_t> out;
  for (const std::string& name : info.classes) {
    if (out.emplace(name, static_cast<std::int64_t>(out.size())).second) continue;
    throw Error(ErrorKind::data, place_of(info) + ": two classes are named " + name + ", so labels cannot go by name", "give each class a name of its own");
  }
  return out;
}

}  // namespace

std::unique_ptr<Source> with_classes_of(std::unique_ptr<Source> source, const SourceInfo& reference) {
  const SourceInfo& own = source->info();
  if (own.classes == reference.classes) return source;
  numbers_by_name(own);  // Only for its error.
  const std::map<std::string, std::int64_t> known = numbers_by_name(reference);
  std::vector<std::int64_t> numbers;
  std::vector<std::string> unknown;
  for (const std::string& name : own.classes) {
    const auto found = known.find(name);
    if (found == known.end()) unknown.push_back(name);
    numbers.push_back(found == known.end() ? -1 : found->second);
  }
  if (!unknown.empty()) {
    const std::string more = unknown.size() == 1 ? "" : " and " + std::to_string(unknown.size() - 1) + " more of its " + std::to_string(own.classes.size()) + " classes";
    throw Error(ErrorKind::data, place_of(own) + ": the class " + unknown.front() + more + (more.empty() ? " is" : " are") + " not among the " +
                                     std::to_string(reference.classes.size()) + " classes of " + place_of(reference),
                "labels go by the classes' names: give both sets the same, or leave out what was not trained on");
  }
  return std::make_unique<Renumbered>(std::move(source), reference, std::move(numbers));
}

std::vector<std::string> empty_classes(const SourceInfo& info) {
  std::vector<std::string> out;
  for (std::size_t c = 0; c < info.class_sizes.size(); ++c)
    if (info.class_sizes[c] == 0) out.push_back(info.classes[c]);
  return out;
}

}  // namespace millrace
