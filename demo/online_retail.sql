-- shop.staging (as in the file) to shop.order_lines, shop.products and shop.customers.
-- Nothing is cleaned away that a real shop would have: guests, returns, postage and bank charges stay
-- order lines, and only what is no product is missing from shop.products.
\set ON_ERROR_STOP on
SET TimeZone = 'UTC';
BEGIN;

CREATE TABLE shop.order_lines (
    line_id      bigint GENERATED ALWAYS AS IDENTITY,
    invoice_no   text NOT NULL,
    stock_code   text NOT NULL,
    description  text,
    quantity     integer NOT NULL,
    invoice_date timestamptz NOT NULL,
    unit_price   numeric(12, 3) NOT NULL,
    customer_id  integer, -- null: a guest
    country      text
);

-- Codes differ in case only ("15056bl", "15056BL"); customers come as "17850.0".
INSERT INTO shop.order_lines
    (invoice_no, stock_code, description, quantity, invoice_date, unit_price, customer_id, country)
SELECT invoice_no, upper(trim(stock_code)), nullif(trim(description), ''), quantity, invoice_date,
       unit_price, customer_id::numeric::integer, country
FROM shop.staging
ORDER BY place;

DROP TABLE shop.staging;
ALTER TABLE shop.order_lines ADD PRIMARY KEY (line_id);
ANALYZE shop.order_lines;

-- Postage, carriage, manual lines, discounts, samples, fees, gift vouchers, charity, padding: not
-- products.
CREATE TEMP TABLE sold ON COMMIT DROP AS
SELECT stock_code, description, unit_price
FROM shop.order_lines
WHERE quantity > 0 AND unit_price > 0
  AND stock_code NOT IN ('POST', 'DOT', 'M', 'D', 'C2', 'S', 'B', 'CRUK', 'PADS', 'BANK CHARGES',
                         'AMAZONFEE')
  AND stock_code NOT LIKE 'GIFT%';

-- A code's descriptions vary, and stock takers wrote "damaged?" into some: capitals are the shop's.
CREATE TEMP TABLE named ON COMMIT DROP AS
SELECT DISTINCT ON (stock_code) stock_code, regexp_replace(description, '\s+', ' ', 'g') AS product_name
FROM (SELECT stock_code, description, count(*) AS lines
      FROM sold WHERE description IS NOT NULL GROUP BY 1, 2) AS d
ORDER BY stock_code, description ~ '[A-Z]{3}' DESC, lines DESC, description;

-- Words of a description that say something: colours, materials, kinds of product.
CREATE TEMP TABLE words ON COMMIT DROP AS
SELECT kind, word, coalesce(nullif(split_part(entry, '=', 2), ''), lower(word)) AS value
FROM (VALUES
    ('colour', 'RED PINK BLUE WHITE GREEN BLACK IVORY CREAM SILVER GOLD PURPLE YELLOW BROWN ORANGE '
        'TURQUOISE GREY=grey GRAY=grey LILAC MAUVE AMBER COPPER LAVENDER AQUA FUSCHIA=fuchsia '
        'FUSHIA=fuchsia BURGUNDY NAVY BEIGE CLEAR MULTICOLOUR=multicolour MULTICOLOURED=multicolour'),
    ('material', 'GLASS WOOD WOODEN=wood METAL CERAMIC PAPER ZINC ENAMEL FELT TIN WICKER WIRE ACRYLIC '
        'CRYSTAL SLATE COTTON PORCELAIN LACE FEATHER FABRIC LEATHER SILK WOOL KNITTED=wool '
        'CROCHET RATTAN PLASTIC STONE BAMBOO IRON BRASS SHELL BONE SUEDE VELVET'),
    ('type', 'BAG BAGS=bag HANDBAG=bag WASHBAG=bag MUG MUGS=mug CANDLE CANDLES=candle HOLDER '
        'CANDLEHOLDER=holder BOX BOXES=box CLOCK SIGN CARD CARDS=card NECKLACE NECKL=necklace '
        'BRACELET EARRINGS=earrings EARRING=earrings RING CUSHION BOWL BOWLS=bowl MIRROR FRAME FRAMES=frame '
        'BOTTLE HOOK HOOKS=hook GARLAND DECORATION DECORATIONS=decoration LIGHTS=lights TRAY CUP CUPS=cup '
        'JAR JARS=jar NOTEBOOK STAND PLATE PLATES=plate DOORMAT TIN=tin TINS=tin LANTERN LANTERNS=lantern '
        'HANGER APRON TOWEL TOWELS=towel PURSE WALLET BASKET BASKETS=basket MAGNETS=magnets RIBBON RIBBONS=ribbon '
        'TISSUES=tissues STICKERS=stickers PENCIL=pencils PENCILS=pencils PEN PENS=pen BUNTING PARASOL UMBRELLA '
        'JIGSAW RACK WREATH TEAPOT JUG LAMP LAMPSHADE=lamp COASTER=coaster COASTERS=coaster NAPKINS=napkins '
        'DOORSTOP CUTLERY CABINET DRAWER KNOB WRAP=wrap TOY GAME DOLL INCENSE STOOL CHAIR TABLE SOAP CALENDAR '
        'CASES=cases TAPE POT POTS=pot BUCKET SPOON PLASTERS=plasters WARMER BELL CHARM PHOTO=photo')
) AS list (kind, entries),
LATERAL regexp_split_to_table(entries, '\s+') AS entry,
LATERAL split_part(entry, '=', 1) AS word;

CREATE TEMP TABLE found ON COMMIT DROP AS
SELECT stock_code, kind, string_agg(value, '|' ORDER BY place) AS value_list
FROM (SELECT stock_code, kind, value, min(place) AS place
      FROM named, regexp_split_to_table(upper(product_name), '[^A-Z]+') WITH ORDINALITY AS w (word, place)
      JOIN words USING (word)
      GROUP BY 1, 2, 3) AS f
GROUP BY 1, 2;

CREATE TABLE shop.products AS
SELECT n.stock_code, n.product_name, c.value_list AS colour, m.value_list AS material,
       t.value_list AS product_type,
       CASE WHEN product_name ~* '\m(SETS?|PACK|PAIR|ASST|S/\d+|\d+ ?(PC|PCS|PIECES?))\M|\mBOX OF \d'
            THEN 'set' ELSE 'single' END AS set_or_single,
       CASE WHEN price < 1 THEN 'under 1' WHEN price < 3 THEN '1 to 3'
            WHEN price < 8 THEN '3 to 8' ELSE '8 and more' END AS price_band,
       price
FROM named AS n
JOIN (SELECT stock_code, percentile_disc(0.5) WITHIN GROUP (ORDER BY unit_price) AS price
      FROM sold GROUP BY 1) AS p USING (stock_code)
LEFT JOIN found AS c ON c.stock_code = n.stock_code AND c.kind = 'colour'
LEFT JOIN found AS m ON m.stock_code = n.stock_code AND m.kind = 'material'
LEFT JOIN found AS t ON t.stock_code = n.stock_code AND t.kind = 'type'
ORDER BY n.stock_code;
ALTER TABLE shop.products ADD PRIMARY KEY (stock_code);

CREATE TABLE shop.customers AS
SELECT customer_id, mode() WITHIN GROUP (ORDER BY country) AS country
FROM shop.order_lines
WHERE customer_id IS NOT NULL
GROUP BY 1
ORDER BY 1;
ALTER TABLE shop.customers ADD PRIMARY KEY (customer_id);

COMMIT;
ANALYZE shop.products, shop.customers;
