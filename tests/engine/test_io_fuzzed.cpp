// What fuzzing has found (tests/fuzz/found), and what every target is given first.
#include "io_support.h"
#include "targets.h"

namespace {

using namespace io_test;
namespace fs = std::filesystem;

void run(const canal_fuzz::Target& target, const std::string& input) {
  target.run(target.make != nullptr ? target.make(input) : input);
}

TEST(Fuzzed, WhatWasFoundIsReadOrRefused) {
  size_t cases = 0;
  for (const auto& folder : fs::directory_iterator(package_file("tests/fuzz/found"))) {
    const canal_fuzz::Target& target = canal_fuzz::target(folder.path().filename().string());
    for (const auto& file : fs::directory_iterator(folder.path())) {
      SCOPED_TRACE(file.path().string());
      EXPECT_NO_THROW(run(target, read_bytes(file.path().string())));
      ++cases;
    }
  }
  EXPECT_GT(cases, 0u);
}

TEST(Fuzzed, EveryTargetTakesNextToNothing) {
  for (const canal_fuzz::Target& target : canal_fuzz::targets()) {
    for (const std::string& bytes :
         {std::string(), std::string(1, '\0'), std::string("\x80\x02.")}) {
      EXPECT_NO_THROW(run(target, bytes)) << target.name;
    }
  }
}

}  // namespace
