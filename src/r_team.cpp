// Glue: several processes that compute together.
#include "r_team.h"

#include <chrono>

#include "r_glue.h"

using TeamPointer = std::shared_ptr<canal::Team>;

std::shared_ptr<canal::Team> glue::team_from_r(SEXP pointer) {
  if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrAddr(pointer) == nullptr) {
    throw canal::Error(canal::ErrorKind::team,
                       "This team is of another R session, which had to join it itself.");
  }
  return *Rcpp::XPtr<TeamPointer>(pointer);
}

namespace {

canal::TeamOptions options_from_r(Rcpp::List o) {
  return {Rcpp::as<std::string>(o["address"]), Rcpp::as<int>(o["port"]), Rcpp::as<int>(o["rank"]),
          Rcpp::as<int>(o["size"]), Rcpp::as<double>(o["timeout"])};
}

// Waits for the others; the user's interrupt goes on as R's.
void together(const std::function<void(const canal::Control&)>& work) {
  canal::Control control;
  glue::run_or_interrupt(control, R_NilValue, [&] { work(control); });
}

}  // namespace

// [[Rcpp::export(rng = false)]]
SEXP cpp_join_team(Rcpp::List options) {
  const canal::TeamOptions native = options_from_r(options);
  TeamPointer team;
  together([&](const canal::Control& control) { team = canal::join_team(native, control); });
  return Rcpp::XPtr<TeamPointer>(new TeamPointer(team));
}

// [[Rcpp::export(rng = false)]]
void cpp_leave_team(SEXP team) {
  glue::guarded([&] { glue::team_from_r(team)->leave(); });
}

// [[Rcpp::export(rng = false)]]
double cpp_team_bytes_sent(SEXP team) {
  return glue::guarded([&] { return static_cast<double>(glue::team_from_r(team)->bytes_sent()); });
}

// A new vector; as_float32: rounded to float32 and added up so.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericVector cpp_team_sum(SEXP team, Rcpp::NumericVector values, bool as_float32) {
  const TeamPointer native = glue::guarded([&] { return glue::team_from_r(team); });
  std::vector<double> wide(values.begin(), values.end());
  std::vector<float> narrow(wide.begin(), wide.end());
  together([&](const canal::Control& control) {
    if (as_float32) {
      native->sum(narrow, control);
    } else {
      native->sum(wide, control);
    }
  });
  if (as_float32) return glue::vector_of<Rcpp::NumericVector>(narrow);
  return glue::vector_of<Rcpp::NumericVector>(wide);
}

// Seconds of each of `rounds` sums of as many float32 zeros, without R in between.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericVector cpp_time_team_sum(SEXP team, double count, int rounds) {
  const TeamPointer native = glue::guarded([&] { return glue::team_from_r(team); });
  std::vector<double> seconds;
  together([&](const canal::Control& control) {
    std::vector<float> values(static_cast<size_t>(count));
    for (int round = 0; round < rounds; ++round) {
      native->barrier(control);
      const auto start = std::chrono::steady_clock::now();
      native->sum(values, control);
      const auto end = std::chrono::steady_clock::now();
      seconds.push_back(std::chrono::duration<double>(end - start).count());
    }
  });
  return Rcpp::wrap(seconds);
}

// What rank `root` has.
// [[Rcpp::export(rng = false)]]
Rcpp::RawVector cpp_team_broadcast(SEXP team, Rcpp::RawVector data, int root) {
  const TeamPointer native = glue::guarded([&] { return glue::team_from_r(team); });
  Rcpp::RawVector result = Rcpp::clone(data);
  uint8_t* bytes = RAW(result);
  const auto count = static_cast<int64_t>(result.size());
  together([&](const canal::Control& c) { native->broadcast(bytes, count, root, c); });
  return result;
}

// "Gloo", or "" where canalR was built without.
// [[Rcpp::export(rng = false)]]
std::string cpp_team_backend() { return canal::team_backend(); }

// [[Rcpp::export(rng = false)]]
int cpp_free_port() {
  return glue::guarded([] { return canal::free_port(); });
}
