-- Made by `lumigate slo build` from slo/specs. Do not edit: `lumigate slo check` fails on drift.
-- Provider choice: bad and total by window in seconds, weighted for sampling.
SELECT
  sumIf(_sample_interval, double14 > 10 AND timestamp > NOW() - INTERVAL '5' MINUTE) AS bad_300,
  sumIf(_sample_interval, timestamp > NOW() - INTERVAL '5' MINUTE) AS total_300,
  sumIf(_sample_interval, double14 > 10 AND timestamp > NOW() - INTERVAL '30' MINUTE) AS bad_1800,
  sumIf(_sample_interval, timestamp > NOW() - INTERVAL '30' MINUTE) AS total_1800,
  sumIf(_sample_interval, double14 > 10 AND timestamp > NOW() - INTERVAL '1' HOUR) AS bad_3600,
  sumIf(_sample_interval, timestamp > NOW() - INTERVAL '1' HOUR) AS total_3600,
  sumIf(_sample_interval, double14 > 10 AND timestamp > NOW() - INTERVAL '2' HOUR) AS bad_7200,
  sumIf(_sample_interval, timestamp > NOW() - INTERVAL '2' HOUR) AS total_7200,
  sumIf(_sample_interval, double14 > 10 AND timestamp > NOW() - INTERVAL '6' HOUR) AS bad_21600,
  sumIf(_sample_interval, timestamp > NOW() - INTERVAL '6' HOUR) AS total_21600,
  sumIf(_sample_interval, double14 > 10 AND timestamp > NOW() - INTERVAL '1' DAY) AS bad_86400,
  sumIf(_sample_interval, timestamp > NOW() - INTERVAL '1' DAY) AS total_86400,
  sumIf(_sample_interval, double14 > 10 AND timestamp > NOW() - INTERVAL '3' DAY) AS bad_259200,
  sumIf(_sample_interval, timestamp > NOW() - INTERVAL '3' DAY) AS total_259200,
  sumIf(_sample_interval, double14 > 10) AS bad_2592000,
  SUM(_sample_interval) AS total_2592000
FROM lumigate_requests_production
WHERE timestamp > NOW() - INTERVAL '30' DAY
  AND double8 > 0
