-- Volume for Fides' sample schema: twenty thousand customers, and one (u1@load.example) with about 90,000 rows of their own.
-- The figures that docs/benchmarks.md compares are taken on this data.
insert into address select 1000 + i, i % 999, 'Street ' || i, 'City', 'NY', '10001' from generate_series(1, 20000) i;
insert into customer select 1000 + i, 'u' || i || '@load.example', 'User ' || i, now(), 1000 + i from generate_series(1, 20000) i;
insert into orders select 'L' || i, 1000 + (i % 20000) + 1, 1000 + (i % 20000) + 1, null from generate_series(1, 200000) i;
insert into orders select 'B' || i, 1001, 1001, null from generate_series(1, 20000) i;
insert into login select 100000 + i, 1000 + (i % 20000) + 1, now() from generate_series(1, 200000) i;
insert into login select 1000000 + i, 1001, now() from generate_series(1, 50000) i;
insert into visit select 'u' || i || '@load.example', now() from generate_series(1, 20000) i;
insert into order_item select 'B' || i, 1, 1, 1 from generate_series(1, 20000) i;
create index on customer (email);
create index on orders (customer_id);
create index on login (customer_id);
create index on visit (email);
analyze;
