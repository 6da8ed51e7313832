#include <gtest/gtest.h>

#include <array>

#include "train/meter.h"

namespace millrace::train {
namespace {

constexpr std::array kBefore{Stretch{Phase::other, 3}, Stretch{Phase::wait, 5}, Stretch{Phase::upload, 1}};

Phases booked(double idle) {
  Phases phases;
  book_idle(kBefore, idle, phases);
  return phases;
}

TEST(IdleTime, BelongsToWhatTheThreadDidLast) {
  const Phases phases = booked(4);
  EXPECT_EQ(phases.upload, 1);
  EXPECT_EQ(phases.wait, 3);
  EXPECT_EQ(phases.other, 0);
}

TEST(IdleTime, BeyondWhatTheThreadDidIsBookedNowhere) { EXPECT_EQ(booked(20).sum(), 9); }

TEST(IdleTime, OfABusyDeviceIsNothing) {
  EXPECT_EQ(booked(0).sum(), 0);
  EXPECT_EQ(booked(-1e-6).sum(), 0);
}

TEST(HostMeter, BooksEachStretchOnce) {
  HostMeter meter;
  const auto began = SteadyClock::now();
  meter.start();
  for (const Phase phase : {Phase::wait, Phase::upload, Phase::other}) meter.host(phase);
  for (const Phase phase : {Phase::forward, Phase::backward, Phase::reduce, Phase::optimizer}) meter.device(phase);
  const Phases phases = meter.stop();
  EXPECT_GT(phases.forward, 0);
  EXPECT_LE(phases.sum(), seconds_between(began, SteadyClock::now()));
}

}  // namespace
}  // namespace millrace::train
