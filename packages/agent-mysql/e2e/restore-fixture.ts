/** A small schema with one of each: what a restore must not forget, in few rows. */
export const shopSql = `
SET NAMES utf8mb4;
CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
USE shop;
CREATE SEQUENCE order_numbers START WITH 1000 INCREMENT BY 5;
SELECT NEXTVAL(order_numbers);
CREATE TABLE customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(100) NOT NULL,
  email VARCHAR(100) CHARACTER SET latin1,
  note TEXT,
  upper_name VARCHAR(100) AS (UPPER(name)) VIRTUAL,
  UNIQUE KEY by_email (email),
  KEY by_name (name),
  FULLTEXT KEY by_note (note)
) ENGINE=InnoDB AUTO_INCREMENT=500;
CREATE TABLE orders (
  id BIGINT NOT NULL DEFAULT NEXTVAL(order_numbers) PRIMARY KEY,
  customer INT UNSIGNED NOT NULL,
  total DECIMAL(12,2) NOT NULL DEFAULT 0,
  state ENUM('new','paid') NOT NULL,
  KEY by_customer (customer, total),
  CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE,
  CONSTRAINT not_negative CHECK (total >= 0)
) ENGINE=InnoDB;
CREATE TABLE audit (line TEXT, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)) ENGINE=MyISAM;
CREATE TABLE counted (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, flag BIT(3), place POINT) ENGINE=InnoDB AUTO_INCREMENT=50;
CREATE TABLE empty_table (a INT) ENGINE=InnoDB;
INSERT INTO customers (id, name, email, note) VALUES (0+1, 'Ünal 😀', 'a@example.com', 'tab\\there\\nand back\\\\slash'), (2, '', NULL, NULL), (400, 'x''y', 'ß@example.com', '');
SET sql_mode='NO_AUTO_VALUE_ON_ZERO';
INSERT INTO customers (id, name) VALUES (0, 'zero');
INSERT INTO counted VALUES (0, b'101', ST_GeomFromText('POINT(1 2)')), (-1, NULL, NULL), (7, b'0', NULL);
SET sql_mode='';
INSERT INTO orders (customer, total, state) SELECT 1 + (seq % 2), seq / 7, IF(seq % 50, 'paid', '') FROM seq_1_to_500;
INSERT INTO audit (line) SELECT CONCAT('line ', seq) FROM seq_1_to_300;
CREATE VIEW a_view AS SELECT * FROM z_view WHERE total > 1;
`
  .replace(
    'CREATE VIEW a_view',
    `CREATE VIEW z_view AS SELECT o.id, o.total, c.name, shop.double_it(o.total) AS twice FROM orders o JOIN customers c ON c.id = o.customer;
CREATE VIEW a_view`,
  )
  .replace(
    'CREATE VIEW z_view',
    `DELIMITER ;;
CREATE FUNCTION double_it(n DECIMAL(12,2)) RETURNS DECIMAL(12,2) DETERMINISTIC RETURN n * 2;;
SET sql_mode='ANSI_QUOTES';;
CREATE PROCEDURE "odd ; name"() BEGIN SELECT "id" FROM "orders" LIMIT 1; SELECT ';'; END;;
SET sql_mode='';;
CREATE TRIGGER on_insert AFTER INSERT ON orders FOR EACH ROW BEGIN INSERT INTO audit (line) VALUES (CONCAT('order ', NEW.id)); END;;
CREATE TRIGGER on_insert_too AFTER INSERT ON orders FOR EACH ROW INSERT INTO audit (line) VALUES ('second');;
SET time_zone='+02:00';;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2031-01-01 03:00:00' ON COMPLETION PRESERVE ENABLE DO DELETE FROM audit;;
CREATE EVENT sleeping ON SCHEDULE EVERY 1 HOUR STARTS '2031-01-01 03:00:00' DISABLE DO DELETE FROM audit;;
SET time_zone='+00:00';;
SET character_set_client=latin1, collation_connection=latin1_german1_ci;;
CREATE PROCEDURE old_client() SELECT 'ä' AS \`ü\`;;
SET NAMES utf8mb4;;
DELIMITER ;
CREATE VIEW z_view`,
  )
