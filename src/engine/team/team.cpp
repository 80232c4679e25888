#include "engine/team.h"

#include "engine/team/gloo_team.h"

namespace canal {

void Team::sum(std::vector<float>& values, const Control& control) {
  sum(values.data(), static_cast<int64_t>(values.size()), control);
}

void Team::sum(std::vector<double>& values, const Control& control) {
  sum(values.data(), static_cast<int64_t>(values.size()), control);
}

void Team::barrier(const Control& control) {
  double one = 1;
  sum(&one, 1, control);
}

namespace {

// The team of a worker that is alone.
class Alone : public Team {
 public:
  Alone() : Team(0, 1) {}
  void sum(float*, int64_t, const Control& control) override { check(control); }
  void sum(double*, int64_t, const Control& control) override { check(control); }
  void broadcast(uint8_t*, int64_t, int, const Control& control) override { check(control); }
  void leave() override { left_ = true; }
  int64_t bytes_sent() const override { return 0; }

 private:
  void check(const Control& control) const {
    control.check();
    if (left_) throw Error(ErrorKind::team, "This worker has left its team.");
  }
  bool left_ = false;
};

void check_options(const TeamOptions& o) {
  auto require = [](bool holds, const std::string& message) {
    if (!holds) throw Error(ErrorKind::input, message);
  };
  require(o.size >= 1, "A team has at least one worker.");
  require(o.rank >= 0 && o.rank < o.size, "A worker's rank is from 0 to the team's size less 1.");
  require(o.port >= 1 && o.port <= 65535, "A port is a number from 1 to 65535.");
  require(o.timeout_s > 0, "A timeout is a positive number of seconds.");
}

}  // namespace

std::string team_backend() {
#ifdef CANALR_GLOO
  return "Gloo";
#else
  return "";
#endif
}

std::shared_ptr<Team> join_team(const TeamOptions& options, const Control& control) {
  check_options(options);
  if (options.size == 1) return std::make_shared<Alone>();
#ifdef CANALR_GLOO
  return join_gloo_team(options, control);
#else
  (void)control;
  throw Error(ErrorKind::team,
              "This canalR was built without Gloo, which teams of several processes need. Install "
              "Gloo's headers (Debian, Ubuntu: libgloo-dev), then canalR again.");
#endif
}

}  // namespace canal
