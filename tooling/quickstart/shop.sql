-- A shop as it might stand on anybody's server: about a quarter of a million rows, every column type MariaDB has, and every
-- kind of object beside tables. The same on every run: nothing here is random or depends on the clock.

SET NAMES utf8mb4;
SET sql_mode = 'STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO';
SET time_zone = '+00:00';
SET timestamp = 1767225600;
SET unique_checks = 0, foreign_key_checks = 0, sql_log_bin = 0;

CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE DATABASE `warehouse café` CHARACTER SET latin1;
USE shop;

CREATE TABLE customer (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  uuid UUID NOT NULL UNIQUE,
  name VARCHAR(80) NOT NULL,
  email VARCHAR(120) CHARACTER SET ascii NOT NULL,
  born DATE,
  registered DATETIME(6) NOT NULL,
  language ENUM('de', 'en', 'fr', '日本語') NOT NULL DEFAULT 'en',
  interests SET('books', 'music', 'games', 'tools', 'tea') NOT NULL DEFAULT '',
  credit DECIMAL(12, 2) NOT NULL DEFAULT 0,
  address JSON NOT NULL,
  last_address INET6,
  place POINT NOT NULL,
  avatar BLOB,
  note TEXT,
  domain VARCHAR(120) AS (substring_index(email, '@', -1)) VIRTUAL,
  discount DECIMAL(5, 2) AS (least(credit / 100, 15)) PERSISTENT,
  secret_hash BINARY(32) INVISIBLE,
  KEY by_domain (domain),
  FULLTEXT KEY by_note (note),
  SPATIAL KEY by_place (place),
  CONSTRAINT credit_not_absurd CHECK (credit < 1000000)
);

CREATE TABLE product (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  title VARCHAR(120) NOT NULL,
  price DECIMAL(10, 2) NOT NULL,
  stock MEDIUMINT NOT NULL,
  weight DOUBLE,
  picture MEDIUMBLOB
);

CREATE TABLE `order` (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  customer_id INT UNSIGNED NOT NULL,
  ordered TIMESTAMP(3) NOT NULL DEFAULT current_timestamp(3),
  state ENUM('open', 'paid', 'sent', 'returned') NOT NULL,
  comment VARCHAR(200),
  PRIMARY KEY (id),
  KEY by_customer (customer_id),
  CONSTRAINT of_customer FOREIGN KEY (customer_id) REFERENCES customer (id)
);

CREATE TABLE order_line (
  order_id BIGINT UNSIGNED NOT NULL,
  line SMALLINT NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity SMALLINT UNSIGNED NOT NULL,
  price DECIMAL(10, 2) NOT NULL,
  PRIMARY KEY (order_id, line),
  KEY by_product (product_id),
  CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES `order` (id) ON DELETE CASCADE,
  CONSTRAINT of_product FOREIGN KEY (product_id) REFERENCES product (id)
);

CREATE TABLE price_history (
  product_id INT UNSIGNED NOT NULL PRIMARY KEY,
  price DECIMAL(10, 2) NOT NULL
) WITH SYSTEM VERSIONING;

CREATE TABLE access_log (
  at DATETIME NOT NULL,
  path VARCHAR(100) NOT NULL,
  status SMALLINT NOT NULL
) PARTITION BY RANGE COLUMNS (at) (
  PARTITION spring VALUES LESS THAN ('2025-07-01'),
  PARTITION rest VALUES LESS THAN (MAXVALUE)
);

CREATE TABLE every_type (
  id INT NOT NULL PRIMARY KEY,
  c_tinyint TINYINT, c_tinyint_unsigned TINYINT UNSIGNED, c_bool BOOLEAN,
  c_smallint SMALLINT, c_mediumint MEDIUMINT, c_int_zerofill INT(8) ZEROFILL,
  c_bigint BIGINT, c_bigint_unsigned BIGINT UNSIGNED,
  c_decimal DECIMAL(65, 30), c_float FLOAT, c_double DOUBLE, c_bit BIT(1), c_bits BIT(64),
  c_date DATE, c_time TIME(6), c_datetime DATETIME(6), c_timestamp TIMESTAMP(6) NULL, c_year YEAR,
  c_char CHAR(10), c_varchar VARCHAR(200), c_nchar NCHAR(5), c_latin VARCHAR(50) CHARACTER SET latin1, c_utf16 VARCHAR(50) CHARACTER SET utf16,
  c_binary BINARY(8), c_varbinary VARBINARY(100),
  c_tinyblob TINYBLOB, c_blob BLOB, c_mediumblob MEDIUMBLOB, c_longblob LONGBLOB,
  c_tinytext TINYTEXT, c_text TEXT, c_mediumtext MEDIUMTEXT, c_longtext LONGTEXT, c_compressed TEXT COMPRESSED,
  c_enum ENUM('', 'one', 'it''s, two'), c_set SET('a', 'b', 'c'), c_json JSON,
  c_uuid UUID, c_inet4 INET4, c_inet6 INET6,
  c_geometry GEOMETRY, c_point POINT, c_linestring LINESTRING, c_polygon POLYGON,
  c_multipoint MULTIPOINT, c_multilinestring MULTILINESTRING, c_multipolygon MULTIPOLYGON, c_collection GEOMETRYCOLLECTION
);

CREATE SEQUENCE invoice_number START WITH 1000 INCREMENT BY 10 CACHE 20;

INSERT INTO customer (uuid, name, email, born, registered, language, interests, credit, address, last_address, place, avatar, note, secret_hash)
SELECT
  concat(substr(md5(seq), 1, 8), '-', substr(md5(seq), 9, 4), '-4', substr(md5(seq), 14, 3), '-8', substr(md5(seq), 18, 3), '-', substr(md5(seq), 21, 12)),
  concat(elt(1 + seq % 6, 'Ada', 'Grace', 'Jürgen', 'Zoë', '美咲', 'O\'Neil'), ' ', elt(1 + seq % 5, 'Lovelace', 'Hopper', 'Müller', 'Nuñez', 'de l\\Hay'), ' ', seq),
  concat('customer', seq, '@', elt(1 + seq % 3, 'example.com', 'example.org', 'shop.example')),
  if(seq % 17 = 0, NULL, '1950-01-01' + INTERVAL (seq * 7919) % 20000 DAY),
  '2020-01-01' + INTERVAL seq * 5003 SECOND + INTERVAL (seq * 137) % 1000000 MICROSECOND,
  1 + seq % 4, seq % 32, round(crc32(seq) % 100000 / 100, 2),
  json_object('street', concat('Street ', seq % 500), 'city', elt(1 + seq % 3, 'Köln', 'Basel', 'Kraków'), 'zip', lpad(seq, 6, '0')),
  if(seq % 5 = 0, NULL, concat('2001:db8::', hex(seq % 65536))),
  point(cast(seq % 360 AS SIGNED) - 180, cast(seq % 180 AS SIGNED) - 90),
  if(seq % 10 = 0, unhex(sha2(seq, 512)), NULL),
  if(seq % 4 = 0, NULL, concat('likes \t tabs,\n lines, "quotes", \\ and NUL ', char(0), ' no. ', seq, ' 🎉')),
  unhex(sha2(seq, 256))
FROM seq_1_to_25000;

INSERT INTO product (title, price, stock, weight, picture)
SELECT concat(elt(1 + seq % 4, 'Tea', 'Lamp', 'Book', 'Drum'), ' no. ', seq), 1 + crc32(seq) % 20000 / 100, cast(seq % 300 AS SIGNED) - 20, seq / 7, repeat(unhex(md5(seq)), seq % 60)
FROM seq_1_to_4000;

INSERT INTO `order` (customer_id, ordered, state, comment)
SELECT 1 + crc32(seq) % 25000, from_unixtime(1600000000 + seq * 1777 + (seq % 1000) / 1000), 1 + seq % 4, if(seq % 9 = 0, concat('leave it at no. ', seq), NULL)
FROM seq_1_to_65000;

INSERT INTO order_line
SELECT 1 + (seq - 1) DIV 2, 1 + (seq - 1) % 2, 1 + crc32(concat('p', seq)) % 4000, 1 + seq % 9, 1 + crc32(seq) % 20000 / 100
FROM seq_1_to_130000;

INSERT INTO access_log
SELECT '2025-01-01' + INTERVAL seq * 800 SECOND, concat('/product/', seq % 4000), elt(1 + seq % 20, 404, 500, 302, 200) FROM seq_1_to_30000 WHERE seq % 20 < 4;

INSERT INTO price_history SELECT id, price FROM product WHERE id <= 200;
SET timestamp = 1767312000;
UPDATE price_history SET price = price * 1.1 WHERE product_id <= 100;
DELETE FROM price_history WHERE product_id > 190;

INSERT INTO every_type (id) VALUES (0);
INSERT INTO every_type VALUES
  (1, -128, 255, TRUE, -32768, -8388608, 42, -9223372036854775808, 18446744073709551615,
   -99999999999999999999999999999999999.999999999999999999999999999999, -3.402823e38, 1.7976931348623157e308, b'1', 0xFFFFFFFFFFFFFFFF,
   '1000-01-01', '-838:59:59.999999', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999', 1901,
   '  edge  ', 'it''s "quoted" \\ and \n more', 'ñandú', 'café', '𝄞 clef',
   0x0001020304050607, 0x00FF0D0A1A5C2722, 0x00, 0x5C27220A0D1A00, repeat(0xDEADBEEF, 5000), repeat(0x00FF, 60000),
   '', 'tab\tand CR\r\nend', repeat('long ', 20000), repeat('日本', 50000), repeat('compress me ', 3000),
   'it''s, two', 'a,c', '{"a": [1, 2.50, null, "\\u00e9"]}', '123e4567-e89b-12d3-a456-426655440000', '192.0.2.1', '::ffff:192.0.2.128',
   point(0, -0.1), point(1e-300, 1e300), st_geomfromtext('LINESTRING(0 0,1 1,2 3)'), st_geomfromtext('POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 2,1 1))'),
   st_geomfromtext('MULTIPOINT(1 1,2 2)'), st_geomfromtext('MULTILINESTRING((0 0,1 1),(2 2,3 3))'),
   st_geomfromtext('MULTIPOLYGON(((0 0,1 0,1 1,0 0)))'), st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')),
  (2, 127, 0, FALSE, 32767, 8388607, 99999999, 9223372036854775807, 0, 0.000000000000000000000000000001, 1.17549e-38, 5e-324, b'0', 0,
   '9999-12-31', '838:59:59', '1000-01-01 00:00:00', '1970-01-01 00:00:01', 2155, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '',
   '', '', '[]', '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', point(1, 1), point(1, 1), st_geomfromtext('LINESTRING(0 0,1 1)'),
   st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))'), st_geomfromtext('MULTIPOINT(1 1)'), st_geomfromtext('MULTILINESTRING((0 0,1 1))'),
   st_geomfromtext('MULTIPOLYGON(((0 0,1 0,1 1,0 0)))'), st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 1))'));
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO every_type (id, c_date, c_datetime, c_timestamp, c_year, c_enum) VALUES (3, '0000-00-00', '2026-00-00 00:00:00', '0000-00-00 00:00:00', 0, '');

CREATE TABLE `warehouse café`.`shelf ``A``` (id INT PRIMARY KEY, `what is it?` VARCHAR(50), `größe` INT, INDEX (`größe`)) ENGINE = MyISAM;
INSERT INTO `warehouse café`.`shelf ``A``` SELECT seq, concat('box ', seq, ' é'), seq % 50 FROM seq_1_to_2000;
CREATE TABLE `warehouse café`.movement (id BIGINT PRIMARY KEY, at DATETIME, what VARCHAR(60)) ENGINE = Aria;
INSERT INTO `warehouse café`.movement SELECT seq, '2025-01-01' + INTERVAL seq HOUR, concat('moved box ', seq % 2000) FROM seq_1_to_8000;

SET sql_mode = 'STRICT_TRANS_TABLES,ANSI_QUOTES';
CREATE VIEW revenue AS
  SELECT o.customer_id, sum(l.quantity * l.price) AS total FROM "order" o JOIN order_line l ON l.order_id = o.id WHERE o.state <> 'returned' GROUP BY o.customer_id;
CREATE SQL SECURITY INVOKER VIEW best_customer AS
  SELECT c.name, r.total FROM customer c JOIN revenue r ON r.customer_id = c.id WHERE r.total > 500;
CREATE VIEW german_customer AS SELECT id, name, credit FROM customer WHERE language = 'de' WITH CASCADED CHECK OPTION;
SET sql_mode = 'STRICT_TRANS_TABLES';
CREATE VIEW `all boxes` AS SELECT `what is it?` AS what FROM `warehouse café`.`shelf ``A```;

DELIMITER //
CREATE FUNCTION gross(net DECIMAL(10, 2)) RETURNS DECIMAL(10, 2) DETERMINISTIC RETURN net * 1.19//
CREATE PROCEDURE ship(IN the_order BIGINT UNSIGNED)
  MODIFIES SQL DATA COMMENT 'it''s on the way; really'
BEGIN
  -- a semicolon; in a comment
  UPDATE `order` SET state = 'sent' WHERE id = the_order;
END//
CREATE TRIGGER stock_goes_down AFTER INSERT ON order_line FOR EACH ROW
  UPDATE product SET stock = stock - NEW.quantity WHERE id = NEW.product_id//
CREATE TRIGGER stock_is_watched AFTER INSERT ON order_line FOR EACH ROW FOLLOWS stock_goes_down
BEGIN
  IF NEW.quantity > 100 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'nobody buys that many; "really"'; END IF;
END//
CREATE EVENT forget_old_orders ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00' ON COMPLETION PRESERVE COMMENT 'tidy'
  DO DELETE FROM `order` WHERE ordered < current_timestamp - INTERVAL 10 YEAR//
DELIMITER ;

CREATE ROLE clerk;
GRANT SELECT, UPDATE ON shop.* TO clerk;
GRANT EXECUTE ON PROCEDURE shop.ship TO clerk;
CREATE USER 'till'@'%' IDENTIFIED BY 'only for the quickstart' REQUIRE SSL WITH MAX_USER_CONNECTIONS 20;
GRANT clerk TO 'till'@'%';
SET DEFAULT ROLE clerk FOR 'till'@'%';
CREATE USER 'report o''brien'@'10.%' IDENTIFIED BY 'only for the quickstart';
GRANT SELECT (id, name) ON shop.customer TO 'report o''brien'@'10.%';
GRANT SELECT ON `warehouse café`.* TO 'report o''brien'@'10.%' WITH GRANT OPTION;
