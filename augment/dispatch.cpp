#include "augment/dispatch.h"

#include "augment/simd_targets.h"

#include <hwy/highway.h>

#include <string>

#include "pipeline/error.h"

namespace millrace::augment {
namespace {

std::int64_t target_of(Level level) {
  switch (level) {
    case Level::avx2:
      return HWY_AVX2;
    case Level::avx512:
      return HWY_AVX3_DL;
    case Level::scalar:
      break;
  }
  return HWY_STATIC_TARGET;
}

}  // namespace

bool supports(Level level) { return level == Level::scalar || (hwy::SupportedTargets() & target_of(level)) != 0; }

Level active_level() {
  hwy::ChosenTarget& chosen = hwy::GetChosenTarget();
  if (!chosen.IsInitialized()) chosen.Update(hwy::SupportedTargets());
  // The table of a function that exists at every level: where its chosen entry stands tells the level.
  const auto index = chosen.GetIndex();
  for (const Level level : {Level::avx512, Level::avx2}) {
    hwy::ChosenTarget only;
    only.Update(target_of(level));
    if (only.GetIndex() == index) return level;
  }
  return Level::scalar;
}

ForcedLevel::ForcedLevel(Level level) {
  if (!supports(level)) throw Error(ErrorKind::usage, std::string("this machine lacks ") + name_of(level));
  hwy::GetChosenTarget().Update(target_of(level));
}

ForcedLevel::~ForcedLevel() { hwy::GetChosenTarget().Update(hwy::SupportedTargets()); }

}  // namespace millrace::augment
