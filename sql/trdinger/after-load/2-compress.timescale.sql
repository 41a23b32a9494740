-- Chunks older than a month take no more writes from the collectors. The policies come last: each begins at once, and
-- would meet what is done here.
select count(compress_chunk(chunk, if_not_compressed => true)) from show_chunks('ohlcv_data', older_than => interval '30 days') as chunk;
select count(compress_chunk(chunk, if_not_compressed => true)) from show_chunks('funding_rate_data', older_than => interval '60 days') as chunk;
select count(compress_chunk(chunk, if_not_compressed => true)) from show_chunks('open_interest_data', older_than => interval '60 days') as chunk;
select add_compression_policy('ohlcv_data', interval '30 days', if_not_exists => true);
select add_compression_policy('funding_rate_data', interval '60 days', if_not_exists => true);
select add_compression_policy('open_interest_data', interval '60 days', if_not_exists => true);
