#pragma once
#include <memory>
#include <string>
#include <vector>

#include "pipeline/source.h"

namespace millrace {

/// `source` with its labels numbered as `reference` numbers them: by the classes' names, whatever their order. Where both have the same
/// classes in the same order it is `source` itself. Two sets of one run (to train on and to score) number their classes by
/// themselves otherwise, and a label would mean one class in the one and another in the other.
/// info(): the reference's classes; class_sizes in their order, 0 for one that the source lacks.
/// Owns:   the source. Threads: as the source.
/// Errors: Error(data) that names the class and where both sets are: a class that the reference lacks, or one of two same names.
std::unique_ptr<Source> with_classes_of(std::unique_ptr<Source> source, const SourceInfo& reference);

/// Names of the classes without a sample; empty also where samples were not counted.
std::vector<std::string> empty_classes(const SourceInfo& info);

}  // namespace millrace
