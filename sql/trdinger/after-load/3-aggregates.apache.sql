-- The Apache edition's stand-ins: refreshed here and by whoever schedules this step.
refresh materialized view ohlcv_daily;
refresh materialized view funding_rate_daily;
refresh materialized view open_interest_daily;
