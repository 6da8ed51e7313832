#include "datasets/digit_glyphs.h"

#include <array>

namespace millrace {
namespace {

constexpr auto corner = Knot::corner;
constexpr auto lift = Knot::lift;

constexpr Knot kZeroClosed[] = {{.55f, .02f}, {.25f, .10f}, {.06f, .45f}, {.18f, .86f}, {.5f, 1.f}, {.82f, .84f}, {.94f, .48f}, {.8f, .13f}, {.52f, .02f}};
constexpr Knot kZeroOpen[] = {{.7f, .08f}, {.38f, .03f}, {.1f, .3f}, {.08f, .7f}, {.4f, 1.f}, {.8f, .86f}, {.94f, .45f}, {.72f, .1f}, {.4f, .1f}};
constexpr Knot kZeroBackwards[] = {{.45f, .03f}, {.78f, .1f}, {.95f, .45f}, {.8f, .9f}, {.48f, .98f}, {.12f, .78f}, {.08f, .35f}, {.3f, .06f}, {.6f, .04f}};

constexpr Knot kOneLine[] = {{.52f, .0f}, {.5f, .5f}, {.48f, 1.f}};
constexpr Knot kOneFlag[] = {{.15f, .27f}, {.38f, .16f}, {.6f, .0f, corner}, {.58f, .5f}, {.55f, 1.f}};
constexpr Knot kOneBase[] = {{.15f, .24f}, {.52f, .0f, corner}, {.52f, .5f}, {.52f, 1.f}, {.1f, 1.f, lift}, {.5f, .98f}, {.92f, .98f}};

constexpr Knot kTwoAngular[] = {{.1f, .24f}, {.3f, .04f}, {.66f, .03f}, {.84f, .25f}, {.66f, .52f}, {.36f, .78f}, {.08f, .98f, corner}, {.5f, .95f}, {.94f, .96f}};
constexpr Knot kTwoLoop[] = {{.12f, .2f}, {.4f, .02f}, {.75f, .1f}, {.76f, .38f}, {.5f, .7f}, {.22f, .95f}, {.05f, .9f}, {.14f, .75f}, {.45f, .86f}, {.7f, .98f}, {.98f, .9f}};
constexpr Knot kTwoSwan[] = {{.2f, .15f}, {.5f, .0f}, {.8f, .2f}, {.62f, .5f}, {.3f, .8f}, {.05f, .95f, corner}, {.35f, .86f}, {.65f, .97f}, {.95f, .88f}};

constexpr Knot kThreeRound[] = {{.14f, .12f}, {.45f, .0f}, {.8f, .16f}, {.7f, .4f}, {.38f, .48f, corner}, {.76f, .56f}, {.88f, .8f}, {.5f, 1.f}, {.1f, .88f}};
constexpr Knot kThreeFlat[] = {{.14f, .04f}, {.5f, .03f}, {.84f, .03f, corner}, {.62f, .22f}, {.42f, .42f, corner}, {.8f, .52f}, {.86f, .82f}, {.48f, 1.f}, {.08f, .9f}};
constexpr Knot kThreeLoop[] = {{.1f, .16f}, {.42f, .0f}, {.76f, .14f}, {.66f, .4f}, {.42f, .5f}, {.36f, .44f}, {.5f, .42f}, {.82f, .6f}, {.8f, .88f}, {.45f, 1.f}, {.12f, .86f}};

constexpr Knot kFourOpen[] = {{.2f, .02f}, {.13f, .34f}, {.08f, .58f, corner}, {.5f, .57f}, {.95f, .53f}, {.74f, .06f, lift}, {.71f, .5f}, {.66f, 1.f}};
constexpr Knot kFourClosed[] = {{.68f, .0f}, {.38f, .34f}, {.06f, .67f, corner}, {.5f, .68f}, {.97f, .65f}, {.7f, .02f, lift}, {.69f, .5f}, {.67f, 1.f}};
constexpr Knot kFourBowl[] = {{.14f, .03f}, {.08f, .36f}, {.3f, .56f}, {.62f, .5f}, {.84f, .34f}, {.86f, .0f, lift}, {.8f, .5f}, {.72f, 1.f}};
constexpr Knot kFourSail[] = {{.74f, .98f}, {.75f, .5f}, {.76f, .02f, corner}, {.42f, .32f}, {.08f, .62f, corner}, {.5f, .64f}, {.95f, .6f}};

constexpr Knot kFiveHat[] = {{.24f, .04f}, {.19f, .42f, corner}, {.5f, .34f}, {.84f, .55f}, {.8f, .85f}, {.44f, 1.f}, {.08f, .9f}, {.24f, .04f, lift}, {.55f, .03f}, {.88f, .0f}};
constexpr Knot kFiveOneStroke[] = {{.88f, .03f}, {.56f, .04f}, {.28f, .05f, corner}, {.2f, .45f, corner}, {.52f, .38f}, {.84f, .6f}, {.72f, .93f}, {.38f, 1.f}, {.08f, .88f}};
constexpr Knot kFiveSnake[] = {{.86f, .08f}, {.5f, .02f}, {.22f, .18f}, {.3f, .4f}, {.62f, .5f}, {.82f, .72f}, {.6f, .96f}, {.14f, .94f}};

constexpr Knot kSixCurved[] = {{.68f, .0f}, {.35f, .18f}, {.12f, .58f}, {.22f, .92f}, {.58f, 1.f}, {.86f, .76f}, {.6f, .53f}, {.28f, .62f}, {.15f, .8f}};
constexpr Knot kSixStraight[] = {{.52f, .0f}, {.24f, .42f}, {.1f, .78f}, {.38f, 1.f}, {.76f, .9f}, {.78f, .66f}, {.48f, .58f}, {.16f, .76f}};
constexpr Knot kSixTail[] = {{.85f, .12f}, {.58f, .0f}, {.22f, .25f}, {.1f, .65f}, {.3f, .97f}, {.7f, .95f}, {.84f, .7f}, {.58f, .5f}, {.18f, .62f}};

constexpr Knot kSevenPlain[] = {{.1f, .07f}, {.5f, .05f}, {.9f, .05f, corner}, {.62f, .5f}, {.42f, 1.f}};
constexpr Knot kSevenBar[] = {{.08f, .07f}, {.5f, .05f}, {.9f, .03f, corner}, {.62f, .48f}, {.4f, 1.f}, {.26f, .53f, lift}, {.54f, .5f}, {.84f, .48f}};
constexpr Knot kSevenSerif[] = {{.09f, .24f}, {.11f, .06f, corner}, {.5f, .08f}, {.9f, .03f, corner}, {.66f, .45f}, {.52f, 1.f}};
constexpr Knot kSevenCurved[] = {{.08f, .12f}, {.36f, .02f}, {.7f, .1f}, {.9f, .08f, corner}, {.62f, .36f}, {.5f, .7f}, {.5f, 1.f}};

constexpr Knot kEightOneStroke[] = {{.78f, .14f}, {.48f, .0f}, {.18f, .16f}, {.36f, .42f}, {.74f, .62f}, {.82f, .88f}, {.48f, 1.f}, {.14f, .86f}, {.3f, .6f}, {.66f, .4f}, {.82f, .18f}};
constexpr Knot kEightTwoRings[] = {{.5f, .46f}, {.22f, .3f}, {.3f, .06f}, {.66f, .03f}, {.8f, .26f}, {.5f, .46f}, {.48f, .46f, lift}, {.12f, .68f}, {.24f, .96f}, {.7f, .98f}, {.88f, .72f}, {.52f, .46f}};
constexpr Knot kEightCrossed[] = {{.85f, .05f}, {.5f, .02f}, {.2f, .2f}, {.45f, .46f}, {.78f, .7f}, {.66f, .98f}, {.3f, .96f}, {.22f, .72f}, {.55f, .42f}, {.9f, .02f}};

constexpr Knot kNineStraight[] = {{.82f, .18f}, {.5f, .02f}, {.16f, .2f}, {.24f, .48f}, {.6f, .46f}, {.83f, .18f, corner}, {.8f, .6f}, {.74f, 1.f}};
constexpr Knot kNineHook[] = {{.8f, .16f}, {.48f, .02f}, {.14f, .22f}, {.28f, .5f}, {.66f, .44f}, {.84f, .16f}, {.84f, .6f}, {.6f, .96f}, {.2f, .95f}};
constexpr Knot kNineLeaning[] = {{.8f, .1f}, {.42f, .04f}, {.16f, .26f}, {.38f, .44f}, {.72f, .32f}, {.84f, .06f, corner}, {.62f, .52f}, {.44f, 1.f}};

constexpr Glyph kZero[] = {{kZeroClosed, .72f, .5f}, {kZeroOpen, .75f, .3f}, {kZeroBackwards, .62f, .2f}};
constexpr Glyph kOne[] = {{kOneLine, .3f, .62f}, {kOneFlag, .42f, .25f}, {kOneBase, .5f, .13f}};
constexpr Glyph kTwo[] = {{kTwoAngular, .75f, .4f}, {kTwoLoop, .85f, .35f}, {kTwoSwan, .78f, .25f}};
constexpr Glyph kThree[] = {{kThreeRound, .68f, .5f}, {kThreeFlat, .68f, .2f}, {kThreeLoop, .7f, .3f}};
constexpr Glyph kFour[] = {{kFourOpen, .72f, .4f}, {kFourClosed, .75f, .2f}, {kFourBowl, .66f, .25f}, {kFourSail, .75f, .15f}};
constexpr Glyph kFive[] = {{kFiveHat, .75f, .45f}, {kFiveOneStroke, .75f, .35f}, {kFiveSnake, .72f, .2f}};
constexpr Glyph kSix[] = {{kSixCurved, .64f, .45f}, {kSixStraight, .58f, .35f}, {kSixTail, .68f, .2f}};
constexpr Glyph kSeven[] = {{kSevenPlain, .72f, .4f}, {kSevenBar, .74f, .25f}, {kSevenSerif, .72f, .15f}, {kSevenCurved, .7f, .2f}};
constexpr Glyph kEight[] = {{kEightOneStroke, .62f, .55f}, {kEightTwoRings, .64f, .25f}, {kEightCrossed, .66f, .2f}};
constexpr Glyph kNine[] = {{kNineStraight, .6f, .45f}, {kNineHook, .64f, .3f}, {kNineLeaning, .62f, .25f}};

constexpr std::array<std::span<const Glyph>, 10> kDigits = {kZero, kOne, kTwo, kThree, kFour, kFive, kSix, kSeven, kEight, kNine};

constexpr bool all_fit() {
  for (const auto& styles : kDigits) {
    for (const Glyph& glyph : styles) {
      if (glyph.knots.size() > kMaxKnots) return false;
    }
  }
  return true;
}
static_assert(all_fit());

}  // namespace

std::span<const Glyph> glyphs_of(int digit) { return kDigits[static_cast<std::size_t>(digit)]; }

}  // namespace millrace
