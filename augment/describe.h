#pragma once
#include <string>

#include "pipeline/recipe.h"

namespace millrace::augment {

/// "crop 280x270+12+40 to 224x224 bicubic, flip, rotate 12.5, posterize 4": for captions and reports.
std::string describe(const Draw& draw);

}  // namespace millrace::augment
