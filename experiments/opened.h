#pragma once
#include <string>
#include <vector>

#include "experiments/json.h"
#include "pipeline/source.h"

namespace millrace {

/// What was opened, so that a reader sees whether it is what was meant: "folder /data/photos: 13 images, 3 classes (cat, cow, dog)".
/// The path is whole, whatever the spec says; of many classes the first and the last are named.
std::string opened_text(const Source& source);

/// The same for records: name, path, images, fingerprint, classes and, where they are counted, class_sizes.
Json opened_record(const Source& source);

/// The classes' names as records hold them.
std::vector<std::string> class_names(const SourceInfo& info);

/// What may be a mistake: class folders called train, val or test (the path is one folder too high). Empty: nothing.
std::string remark_on_classes(const SourceInfo& info);
/// Of a test set whose labels go by the training set's classes: those that it has no picture of. Empty: none.
std::string remark_on_missing_classes(const SourceInfo& test);

}  // namespace millrace
