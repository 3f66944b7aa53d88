-- 入科、转科、出科：一条变动一行。作废的入科给 ward_in_void，event_id 与所作废的相同；其他作废的变动不给出。
SELECT y.id      AS row_id,
       y.xgsj    AS changed_at,
       y.id      AS event_id,
       CASE WHEN y.ydlx = '1' AND y.zfbz = '1' THEN 'ward_in_void'
            WHEN y.ydlx = '1' THEN 'ward_in'
            WHEN y.ydlx = '2' THEN 'transfer'
            ELSE 'ward_out' END AS kind,
       y.zyh     AS ipt_no,
       y.bq      AS ward_code,
       y.bqmc    AS ward_name,
       y.ydsj    AS event_time,
       y.lrsj    AS recorded_time,
       y.bz      AS reason,
       y.czy     AS operator
FROM   zy_bqyd y
WHERE  y.zfbz = '0' OR y.ydlx = '1'
