-- journey.staging_transactions and journey.staging_demographics to journey.order_lines and
-- journey.households; journey.products is loaded as it is.
\set ON_ERROR_STOP on
BEGIN;

CREATE TABLE journey.order_lines (
    line_id               bigint GENERATED ALWAYS AS IDENTITY,
    household_id          integer NOT NULL,
    basket_id             text NOT NULL,
    product_id            text NOT NULL,
    quantity              integer NOT NULL,
    sales_value           numeric(10, 2) NOT NULL,
    retail_discount       numeric(10, 2) NOT NULL,
    coupon_discount       numeric(10, 2) NOT NULL,
    store_id              integer NOT NULL,
    transaction_timestamp timestamptz NOT NULL
);

INSERT INTO journey.order_lines
    (household_id, basket_id, product_id, quantity, sales_value, retail_discount, coupon_discount,
     store_id, transaction_timestamp)
SELECT household_id, basket_id, product_id, quantity, sales_value, retail_disc,
       coupon_disc + coupon_match_disc, store_id, transaction_timestamp
FROM journey.staging_transactions
ORDER BY transaction_timestamp, basket_id, product_id;

-- Only some households told who they are; the others have nulls.
CREATE TABLE journey.households AS
SELECT household_id, age, income, home_ownership, marital_status, household_size, household_comp,
       kids_count
FROM (SELECT DISTINCT household_id FROM journey.order_lines) AS h
LEFT JOIN journey.staging_demographics USING (household_id)
ORDER BY household_id;

DROP TABLE journey.staging_transactions, journey.staging_demographics;
ALTER TABLE journey.order_lines ADD PRIMARY KEY (line_id);
ALTER TABLE journey.households ADD PRIMARY KEY (household_id);
ALTER TABLE journey.products ADD PRIMARY KEY (product_id);
COMMIT;
ANALYZE journey.order_lines, journey.households, journey.products;
