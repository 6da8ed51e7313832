#pragma once
#include <string>
#include <utility>
#include <vector>

#include "experiments/assemble.h"
#include "experiments/spec.h"
#include "train/api.h"

namespace millrace {

/// What all ranks of a run must have in common, by name: ("train.lr", "0.01"), ("data set", "mnist 60000 9f3c..."). In a fixed order.
using Facts = std::vector<std::pair<std::string, std::string>>;

/// Each key of the spec by itself, so that a difference can be named; then the data set, the model and the versions.
Facts facts_of(const Spec& spec, const Source& source, const train::Versions& versions);
/// Of what is evaluated (null: nothing), and of the names that labels go by.
Facts facts_of_classes(const Source& source, const Source* test);

/// For World::all_gather, and back. Errors of reading: Error(communication) that names the rank, for words that are not facts.
std::string to_words(const Facts& facts);
Facts facts_from(const std::string& words, int rank);

/// One line that names the rank that differs and in what, or nothing. The rank is the one that most others disagree with; among as
/// many, not rank 0.
std::string difference_of(const std::vector<Facts>& by_rank);

/// All ranks call it, before they begin. Errors: Error(communication) on every rank where they differ.
void agree(train::World& world, const Facts& facts);

}  // namespace millrace
